import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Algorithm, AlgorithmRun, JsonValue } from '@agent-lightning/core';
import { MemoryStore } from '@agent-lightning/store';
import { openSqliteStore } from '@agent-lightning/store-sqlite';
import { FrameworkRuns, modelCallSpan } from '@agent-lightning/tracing';
import { describe, expect, expectTypeOf, it } from 'vitest';
import {
  grpo,
  Trainer,
  type FitOptions,
  type GrpoMetrics,
  type StepMetrics,
  type TrainerOptions,
} from '../../src/index.ts';
import { BigramBackend } from '../bigram-backend.ts';
import { createRunDirectory, placeRun, readReport, recordingLogger, type RecordingLogger } from '../run-folder.ts';
import { runProgram } from '../run-process.ts';
import { capitalTasks, runCapital, search, type CapitalTask } from './capital-task.ts';
import { promptSearch, type PromptSearchMetrics, type PromptSearchOptions } from './prompt-search.ts';

interface TestSearch {
  readonly trainer: Trainer<CapitalTask, PromptSearchMetrics>;
  readonly logger: RecordingLogger;
  readonly runDirectory: string;
}

type SearchRun = AlgorithmRun<PromptSearchMetrics>;
type SearchTrainerOptions = TrainerOptions<CapitalTask, PromptSearchMetrics>;

async function createSearch(
  options: Partial<SearchTrainerOptions> = {},
  algorithm: Partial<PromptSearchOptions> = {},
): Promise<TestSearch> {
  const { runDirectory, store } = await placeRun(options);
  const logger = recordingLogger();
  const trainer = new Trainer({
    rollout: runCapital,
    algorithm: promptSearch({ ...search, ...algorithm }),
    logger,
    progress: 'none',
    handleSignals: false,
    ...(store !== undefined && { store }),
    ...options,
    runDirectory,
  });
  return { trainer, logger, runDirectory };
}

const tasks = { train: capitalTasks, validation: capitalTasks };

async function readLines(runDirectory: string): Promise<readonly StepMetrics<PromptSearchMetrics>[]> {
  const text = await readFile(join(runDirectory, 'metrics.jsonl'), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as StepMetrics<PromptSearchMetrics>);
}

async function readExport(runDirectory: string): Promise<readonly string[]> {
  return await Promise.all(
    ['prompt.txt', 'history.json'].map((name) => readFile(join(runDirectory, 'model', name), 'utf8')),
  );
}

/** The search, with parts of its run replaced. */
function changeRun(change: (run: SearchRun) => Partial<SearchRun>): Algorithm<PromptSearchMetrics> {
  const original = promptSearch(search);
  return {
    ...original,
    begin: async (host) => {
      const run = await original.begin(host);
      const changed = change(run);
      return new Proxy(run, {
        get: (_, name) => {
          const value: unknown = Reflect.get(changed, name) ?? Reflect.get(run, name, run);
          return typeof value === 'function' ? value.bind(run) : value;
        },
      });
    },
  };
}

async function addMetrics(outcome: ReturnType<SearchRun['learn']>, extra: object): ReturnType<SearchRun['learn']> {
  const { metrics, ...rest } = await outcome;
  return { ...rest, metrics: { ...metrics, ...extra } };
}

/** The rollouts that a program says it ran. */
function ranIn(output: string): readonly string[] {
  return output.split('\n').flatMap((line) => /^ran (.*)$/.exec(line)?.[1] ?? []);
}

describe('an algorithm that trains no weights', () => {
  it('finds the better prompt, and validates with it', async () => {
    const seen: StepMetrics<PromptSearchMetrics>[] = [];
    const { trainer, logger, runDirectory } = await createSearch({
      taskKind: ({ kind }) => kind,
      hooks: { onStep: (metrics) => void seen.push(metrics) },
    });
    const result = await trainer.fit({ ...tasks, steps: 10, validationEvery: 2 });
    expect(result).toMatchObject({
      stopReason: 'completed',
      validationBefore: 0.25,
      validationAfter: 1,
      transitions: 0,
    });
    const [prompt] = await readExport(runDirectory);
    expect(search.sentences.map((sentence) => prompt!.includes(sentence)).slice(0, 4)).toEqual([
      true,
      true,
      true,
      false,
    ]);
    const lines = await readLines(runDirectory);
    expect(lines).toHaveLength(10);
    expect(lines.at(-1)).toMatchObject({ bestReward: 1, isImproved: false, rollouts: 16, candidateReward: { 0: 1 } });
    expect(seen.map(({ bestReward }) => bestReward)).toEqual(lines.map(({ bestReward }) => bestReward));
    for (const { validation, bestReward } of lines)
      if (validation !== undefined) expect(validation.reward).toBe(bestReward);
    expect(logger.lines.filter((line) => !line.includes('leaked-tasks'))).toEqual([]);
  });

  it('compares candidates on the same tasks, each with its own prompt', async () => {
    const store = new MemoryStore();
    const { trainer } = await createSearch({ store });
    const { runId } = await trainer.fit({ ...tasks, steps: 1 });
    const { items } = await store.queryRollouts({ runId, limit: 100 });
    const groups = Map.groupBy(
      items.filter(({ mode }) => mode === 'train'),
      ({ groupId }) => groupId,
    );
    expect(groups.size).toBe(4);
    for (const group of groups.values()) {
      expect(new Set(group.map(({ input }) => JSON.stringify(input))).size).toBe(1);
      expect(group.map(({ resourcesId }) => resourcesId).sort()).toEqual(
        ['s0', 's1.c1', 's1.c2', 's1.c3'].map((name) => `${runId}.${name}`),
      );
    }
    await store.close();
  });

  it('keeps its prompts apart from those of another run in the same store', async () => {
    const store = new MemoryStore();
    const prompts: string[] = [];
    const [first, second] = ['One.', 'Two.'].map((prompt) =>
      createSearch(
        {
          store,
          rollout: (_, { resources: { prompt: given } }) => {
            prompts.push(given?.type === 'prompt_template' ? given.template : 'none');
            return prompt === 'One.' ? 0 : 1;
          },
        },
        { prompt },
      ),
    );
    await (await first!).trainer.fit({ train: capitalTasks, steps: 1 });
    await (await second!).trainer.fit({ train: capitalTasks, steps: 1 });
    expect(prompts.map((prompt) => prompt.slice(0, 4))).toEqual([
      ...Array.from({ length: 16 }, () => 'One.'),
      ...Array.from({ length: 16 }, () => 'Two.'),
    ]);
    await store.close();
  });

  it('does not find it by shuffled rewards', async () => {
    const rewards = { none: [] as number[], shuffled: [] as number[] };
    for (const control of ['none', 'shuffled'] as const)
      for (const seed of [0, 1, 2]) {
        const { trainer } = await createSearch({ control, seed, store: new MemoryStore(), checkpointEvery: 10 });
        rewards[control].push((await trainer.fit({ ...tasks, steps: 10 })).validationAfter!);
      }
    const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(rewards.none).toEqual([1, 1, 1]);
    expect(mean(rewards.shuffled)).toBeLessThan(0.7);
  });

  it('goes on after SIGKILL in the middle of a step, to the very same end', async () => {
    const program = 'prompt-search/search-run.ts';
    const [killed, whole] = [await createRunDirectory(), await createRunDirectory()];
    const hangIn = 'run.s3.g1.c2';
    const end = await runProgram(program, [killed, 'begin', hangIn], {
      onLine: (child, line) => line === `ran ${hangIn}` && child.kill('SIGKILL'),
    });
    expect(end.signal).toBe('SIGKILL');
    const resumed = await runProgram(program, [killed, 'resume']);
    const undisturbed = await runProgram(program, [whole, 'begin']);
    expect([resumed.code, undisturbed.code]).toEqual([0, 0]);
    expect(resumed.output).toContain('resuming after step 2 of 6');
    expect(ranIn(resumed.output).filter((id) => /\.s3\./.test(id))).toEqual(
      ['g1.c2', 'g1.c3', ...['g2', 'g3'].flatMap((g) => [0, 1, 2, 3].map((c) => `${g}.c${c}`))].map(
        (name) => `run.s3.${name}.r1`,
      ),
    );
    expect(await readExport(killed)).toEqual(await readExport(whole));
    const [one, other] = [resumed, undisturbed].map(({ output }) => JSON.parse(output.split('\n').at(-1)!) as object);
    for (const name of ['curve', 'validationAfter', 'rollouts', 'steps', 'stopReason'])
      expect(one).toHaveProperty(name, (other as Record<string, unknown>)[name]);
  });

  it('is not resumed with another list of sentences', async () => {
    const { trainer, runDirectory } = await createSearch();
    await trainer.fit({ ...tasks, steps: 1 });
    const { trainer: other } = await createSearch({ runDirectory }, { sentences: ['Think.'] });
    await expect(other.fit({ ...tasks, steps: 2, resume: true })).rejects.toMatchObject({
      code: 'resume-mismatch',
      message: expect.stringContaining('algorithm.sentences'),
    });
  });

  it.each([
    [{ backend: new BigramBackend() }, /backend .*prompt-search trains no weights/],
    [
      { policies: { writer: { agentMatch: /writer/ } } },
      /policies must be left out: prompt-search trains no weights; got writer/,
    ],
    [{ maxDivergence: 2 }, /maxDivergence .*prompt-search trains no weights/],
    [{ maxStaleness: 1 }, /maxStaleness .*prompt-search plans each step by what it learned before/],
  ] satisfies [Partial<SearchTrainerOptions>, RegExp][])('refuses %o', async (options, message) => {
    await expect(createSearch(options)).rejects.toMatchObject({
      code: 'option-invalid',
      message: expect.stringMatching(message),
    });
  });

  it('has a dry run', async () => {
    const { trainer, logger } = await createSearch();
    const report = await trainer.dev({ tasks: capitalTasks.slice(0, 2), samples: 2 });
    expect(report).toMatchObject({ ok: true, rollouts: 4, rewards: [0.25, 0.25, 0.25, 0.25], groupsWithVariance: 0 });
    expect(report).toMatchObject({ samples: 0, callsInSamples: 0, findings: [] });
    expect(logger.lines.join('\n')).toMatch(
      /\ndry run: 4 of 4 rollouts succeeded .*\nready to train: go on with fit, or agent-lightning train$/,
    );
    const { trainer: silent } = await createSearch({ rollout: () => undefined });
    expect(await silent.dev({ tasks: capitalTasks.slice(0, 2), samples: 2 })).toMatchObject({
      ok: false,
      findings: ['4 of 4 rollouts have no reward'],
    });
  });

  it('has a report with its own charts, and nothing of calls and tokens that nobody captured', async () => {
    const { trainer } = await createSearch({ taskKind: ({ kind }) => kind });
    const { reportPath } = await trainer.fit({ ...tasks, steps: 3 });
    const { reply } = await readReport(reportPath);
    const { charts, config } = reply('');
    expect(charts.map(({ title }: { readonly title: string }) => title)).toEqual([
      'mean reward of the best prompt',
      'mean reward by candidate',
    ]);
    expect(config).toHaveProperty(['algorithm.sentences']);
    const { lines } = reply('metrics');
    expect(lines).toHaveLength(3);
    expect(lines[2].bestReward).toBeGreaterThan(0);
    for (const line of lines) expect(line).toMatchObject({ transitions: 0, tokensSampled: 0 }); // the page then says nothing of them
    expect(reply('examples').heldOut[0]).toMatchObject({ steps: [0, 3], before: { id: expect.any(String) } });
  });

  it('lets agents ask their own models, and traces that', async () => {
    const runs = FrameworkRuns.of<undefined>('prompt-search-test');
    const { trainer, logger, runDirectory } = await createSearch({
      runDirectory: await createRunDirectory(),
      rollout: (task, context) => {
        const id = context.rollout.rolloutId;
        const names = ['writer'];
        runs.begin({
          id,
          wrappers: [{ agentMatch: 'writer' }],
          describe: () => ({ span: modelCallSpan({ names, model: 'own' }), names, detail: undefined }),
        });
        runs.end(id);
        return runCapital(task, context);
      },
    });
    await trainer.fit({ ...tasks, steps: 1 });
    const store = await openSqliteStore({ path: join(runDirectory, 'store.sqlite') });
    expect(await store.querySpans({ rolloutIds: ['run.s1.g0.c0'], kinds: ['model_call'] })).toHaveLength(1);
    await store.close();
    expect(logger.lines.filter((line) => !line.includes('leaked-tasks'))).toEqual([]);
    const [line] = await readLines(runDirectory);
    expect(line).toMatchObject({ failed: 0, untrainableCalls: 0 });
  });

  it('says to an agent that asks for the policy that there is none', async () => {
    const { trainer, logger } = await createSearch({ rollout: (_, { llm }) => Number(llm.model.length) });
    await trainer.fit({ ...tasks, steps: 1 });
    expect(logger.lines.join('\n')).toContain('this run has no policy; let the agent ask its own model');
  });
});

describe('an algorithm that ends a run', () => {
  it('by having converged', async () => {
    const { trainer, runDirectory } = await createSearch({}, { enough: 1 });
    const result = await trainer.fit({ ...tasks, steps: 50 });
    expect(result).toMatchObject({ stopReason: 'converged', validationAfter: 1 });
    expect(result.steps).toBeLessThan(20);
    expect((await readExport(runDirectory))[0]).toContain('End with a full stop.');
    expect((await readReport(result.reportPath)).reply('')).toMatchObject({
      outcome: 'converged',
      steps: result.steps,
    });
  });

  it('by an error in a step, after which the run goes on from the step before', async () => {
    const algorithm = changeRun((run) => ({
      learn: (step) => {
        if (step.step === 3) throw new Error('out of ideas in step 3');
        return run.learn(step);
      },
    }));
    const { trainer, runDirectory } = await createSearch({ algorithm });
    await expect(trainer.fit({ ...tasks, steps: 4 })).rejects.toThrow('out of ideas in step 3');
    const { reply } = await readReport(join(runDirectory, 'report.html'));
    expect(reply('')).toMatchObject({ outcome: 'stopped: out of ideas in step 3', steps: 2 });
    expect((await readLines(runDirectory)).map(({ step }) => step)).toEqual([1, 2]);
    const { trainer: again } = await createSearch({ runDirectory });
    const { trainer: whole } = await createSearch();
    const resumed = await again.fit({ ...tasks, steps: 4, resume: true });
    expect(resumed.curve).toEqual((await whole.fit({ ...tasks, steps: 4 })).curve);
  });

  it.each([
    ['a metric that every run has', { reward: 1 }, /prompt-search: a metric must be named otherwise.* got reward/],
    ['a validation of its own', { validation: 1 }, /prompt-search: a metric must be named otherwise.* got validation/],
  ])('by %s', async (_, extra, message) => {
    const { trainer } = await createSearch({
      algorithm: changeRun((run) => ({ learn: (step) => addMetrics(run.learn(step), extra) })),
    });
    await expect(trainer.fit({ ...tasks, steps: 1 })).rejects.toMatchObject({
      code: 'option-invalid',
      message: expect.stringMatching(message),
    });
  });

  it('by a key that two rollouts have', async () => {
    const algorithm = changeRun((run) => ({
      plan: async (step) =>
        (await run.plan(step)).map((planned) => ({ ...planned, key: planned.key.replace(/\.c\d$/, '') })),
    }));
    const { trainer } = await createSearch({ algorithm });
    await expect(trainer.fit({ ...tasks, steps: 1 })).rejects.toMatchObject({
      code: 'option-invalid',
      message: expect.stringMatching(/plan\(1\): the key of a rollout must be used once in a run; got s1\.g0/),
    });
  });
});

describe('the types of a trainer', () => {
  it('are inferred from the algorithm and the rollout function', () => {
    const searching = new Trainer({
      algorithm: promptSearch(search),
      rollout: (task: CapitalTask, context) => runCapital(task, context),
      hooks: {
        onStep: (metrics) => {
          expectTypeOf(metrics.candidateReward).toEqualTypeOf<Readonly<Record<string, number>>>();
          expectTypeOf(metrics.step).toEqualTypeOf<number>();
        },
      },
    });
    const training = new Trainer({
      algorithm: grpo(),
      backend: new BigramBackend(),
      rollout: ({ city }: CapitalTask) => city.length,
      hooks: {
        onStep: ({ loss, step }) => {
          expectTypeOf(loss).toEqualTypeOf<GrpoMetrics['loss']>();
          expectTypeOf(step).toEqualTypeOf<number>();
        },
      },
    });
    const named = new Trainer<CapitalTask>({ algorithm: promptSearch(search), rollout: runCapital });
    for (const trainer of [searching, training, named])
      expectTypeOf(trainer.fit).parameter(0).toEqualTypeOf<FitOptions<CapitalTask>>();
    const untyped = new Trainer({ algorithm: promptSearch(search), rollout: () => 1 });
    expectTypeOf(untyped.fit).parameter(0).toEqualTypeOf<FitOptions<JsonValue>>();
    // @ts-expect-error a search writes no loss
    new Trainer({ algorithm: promptSearch(search), rollout: () => 1, hooks: { onStep: ({ loss }) => void loss } });
  });
});

it('is written against package roots alone', async () => {
  const source = await readFile(join(import.meta.dirname, 'prompt-search.ts'), 'utf8');
  const packages = [...source.matchAll(/from '([^']+)'/g)].map(([, name]) => name!);
  expect(packages.filter((name) => !name.startsWith('node:'))).toEqual([
    '@agent-lightning/core',
    '@agent-lightning/run',
  ]);
});
