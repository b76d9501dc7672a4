import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MemoryStore } from '@agent-lightning/store';
import type { BatchSample } from '@agent-lightning/core';
import { embedded } from '@agent-lightning/embedded';
import { connectGateway } from '@agent-lightning/gateway';
import type { RolloutContext } from '@agent-lightning/runner';
import { describe, expect, it } from 'vitest';
import { grpo, Trainer, type PolicyOptions } from '../src/index.ts';
import { BigramBackend } from './bigram-backend.ts';
import { answerLetter, askLetter, letterTasks, scoreLetter, type LetterTask } from './letter-task.ts';
import { orderRun } from './ordered-run.ts';
import { askAs } from './role-agent.ts';
import { createFolder, createTestTrainer, readMetrics, recordingLogger, readReport } from './run-folder.ts';
import { createTinyCheckpoint } from '../../embedded/test/tiny-checkpoint.ts';

const policies = {
  writer: { agentMatch: /write/ },
  planner: { agentMatch: ['plan', 'rewrite'] },
} satisfies Record<string, PolicyOptions>;
const named = { writer: { agentMatch: 'gpt-writer' }, planner: { agentMatch: 'plan' } };
const learns = { learningRate: 60, estimator: 'dr_grpo', groupSize: 16 } as const;

/** The writer should answer the next letter, the planner the one before; no single policy could do both. */
async function writeAndPlan(task: LetterTask): Promise<number> {
  const before = { ...task, answer: String.fromCharCode(task.letter.charCodeAt(0) - 1) };
  const [written, planned] = [await askAs('rewrite', task.letter), await askAs('plan', task.letter)];
  return (scoreLetter(task, written) + scoreLetter(before, planned)) / 2;
}
const tasks = letterTasks.slice(2, 6);

describe('several policies', () => {
  it('learn different things in one run, each from its own calls', async () => {
    const { trainer, backend, runDirectory } = await createTestTrainer(
      { policies, rollout: writeAndPlan },
      { ...learns, learningRate: 120 },
    );
    const { curve } = await trainer.fit({ train: tasks, steps: 6 });
    expect(curve.at(-1)!.reward! - curve[0]!.reward!).toBeGreaterThan(0.2);
    const favourite = (name: string, letter: string): string => {
      const row = backend.policies
        .get(name)!
        .logits.subarray((letter.charCodeAt(0) - 97) * 27)
        .subarray(0, 27);
      return String.fromCharCode(97 + row.indexOf(Math.max(...row)));
    };
    const above = tasks.filter(({ letter, answer }) => favourite('writer', letter) >= answer).length;
    const below = tasks.filter(({ letter }) => favourite('planner', letter) < letter).length;
    expect([above, below]).toEqual([tasks.length, tasks.length]); // "rewrite" matches both patterns: the first one has it
    const [first] = await readMetrics(runDirectory);
    expect(first).toMatchObject({ transitions: 128, optimizerSteps: 2, policyVersion: 1, untrainableCalls: 0 });
    for (const name of ['writer', 'planner'])
      expect(first!.policies![name]).toMatchObject({
        policyVersion: 1,
        transitions: 64,
        optimizerSteps: 1,
        stalenessHistogram: { 0: 64 },
        ratioMean: expect.closeTo(1, 5),
      });
    expect(first!.tokensTrained).toBe(
      first!.policies!['writer']!.tokensTrained + first!.policies!['planner']!.tokensTrained,
    );
  });

  it('are told apart by the names of models in the code of agents without an adapter, or by their paths', async () => {
    const rollout = async (task: LetterTask, context: RolloutContext): Promise<number> => {
      const { llm } = context;
      await askLetter(task, { ...context, llm: { ...llm, model: 'gpt-writer' } });
      return answerLetter(task, {
        ...context,
        llm: { ...llm, baseUrl: `${llm.baseUrl}/agents/plan`, model: 'gpt-4o' },
      });
    };
    const { trainer, runDirectory } = await createTestTrainer({
      policies: named,
      rollout,
      answersTo: ['gpt-4o', /^gpt-/],
    });
    await trainer.fit({ train: tasks, steps: 1 });
    const [first] = await readMetrics(runDirectory);
    expect(first).toMatchObject({ untrainableCalls: 0, policies: { writer: {}, planner: {} } });
    const { writer, planner } = first!.policies!;
    expect(writer!.transitions).toBeGreaterThan(0);
    expect(planner!.transitions).toBe(writer!.transitions);
  });

  it('are weighed, stepped and warmed up each on its own', async () => {
    const own = { ...policies, planner: { ...policies.planner, learningRate: 0.5 } };
    const { trainer, backend } = await createTestTrainer(
      { policies: own, rollout: writeAndPlan },
      { warmupSteps: 1, learningRate: 2 },
    );
    await trainer.fit({ train: tasks, steps: 2 });
    expect(backend.adamSteps.map(({ learningRate }) => learningRate)).toEqual([1, 0.25, 2, 0.5]);
    for (const { rows } of backend.passes) {
      const batchRows = rows as readonly BatchSample[];
      expect(new Set(batchRows.map(({ policy }) => policy)).size).toBe(1);
      const rollouts = new Set(batchRows.map(({ rolloutId }) => rolloutId)).size;
      for (const { tokenWeight } of batchRows) expect(tokenWeight).toBeCloseTo(1 / rollouts, 12);
    }
  });

  it('draw from seeds of their own, which the run’s seed decides', async () => {
    const seedsOf = async (seed: number): Promise<readonly number[]> => {
      const { trainer, backend } = await createTestTrainer({ policies, rollout: writeAndPlan, seed });
      await trainer.fit({ train: tasks, steps: 1 });
      return backend.specs.map((spec) => spec.seed);
    };
    const seeds = await seedsOf(3);
    expect(new Set(seeds).size).toBe(2);
    expect(await seedsOf(3)).toEqual(seeds);
    expect(await seedsOf(5)).not.toEqual(seeds);
  });

  it('see the whole episode’s reward, also a policy that made no call of its own in a rollout', async () => {
    const { trainer, runDirectory } = await createTestTrainer(
      {
        policies,
        rollout: async (task, { rollout }) => {
          const isPlanned = Number(rollout.metadata['sample']) % 2 === 0;
          return scoreLetter(task, await askAs(isPlanned ? 'plan' : 'write', task.letter));
        },
      },
      { extendFailed: 0 },
    );
    await trainer.fit({ train: tasks, steps: 1 });
    const [first] = await readMetrics(runDirectory);
    expect(first!.policies!['writer']!.transitions).toBe(16);
    expect(first!.policies!['planner']!.transitions).toBe(16);
    expect(first!.groupsUsed + first!.groupsZeroVariance).toBe(4); // groups are of the task's rollouts, whoever called
  });

  it('keep the version of one that had nothing to learn from', async () => {
    const { trainer, runDirectory, backend } = await createTestTrainer({
      policies,
      rollout: async (task) => scoreLetter(task, await askAs('write', task.letter)),
    });
    await trainer.fit({ train: tasks, steps: 2 });
    const metrics = await readMetrics(runDirectory);
    expect(
      metrics.map((line) => [line.policies!['writer']!.policyVersion, line.policies!['planner']!.policyVersion]),
    ).toEqual([
      [1, 0],
      [2, 0],
    ]);
    expect(backend.published).toEqual([0, 0, 1, 2]);
  });

  it('are saved together, resumed together, and exported apart', async () => {
    const { trainer, runDirectory } = await createTestTrainer({ policies, rollout: writeAndPlan });
    await trainer.fit({ train: tasks, steps: 2 });
    expect(await readdir(join(runDirectory, 'checkpoints', 'step-000002', 'policies'))).toEqual(['planner', 'writer']);
    const again = await createTestTrainer({ runDirectory, policies, rollout: writeAndPlan });
    const resumed = await again.trainer.fit({ train: tasks, steps: 4, resume: true });
    const whole = await createTestTrainer({ policies, rollout: writeAndPlan });
    const result = await whole.trainer.fit({ train: tasks, steps: 4 });
    expect(resumed.curve).toEqual(result.curve);
    for (const name of ['writer', 'planner']) {
      const [a, b] = [resumed, result].map(({ modelDirectory }) => join(modelDirectory!, name, 'state.json'));
      expect(await readFile(a!, 'utf8')).toBe(await readFile(b!, 'utf8'));
    }
    expect(existsSync(join(result.modelDirectory!, 'state.json'))).toBe(false);
    const other = await createTestTrainer({ runDirectory, policies: { writer: { agentMatch: /other/ } } });
    await expect(other.trainer.fit({ train: tasks, steps: 5, resume: true })).rejects.toMatchObject({
      code: 'resume-mismatch',
      message: expect.stringContaining("policies.writer = /write/ at the algorithm's learning rate"),
    });
  });

  it('leave the calls of others to the frozen base model', async () => {
    const { trainer, runDirectory, logger } = await createTestTrainer({
      policies,
      backend: new BigramBackend({ hasBase: true }),
      rollout: async (task) => {
        await askAs('judge', task.letter);
        return scoreLetter(task, await askAs('write', task.letter));
      },
    });
    const report = await trainer.dev({ tasks, samples: 4 });
    expect(report).toMatchObject({ ok: false, trainableCalls: { write: 16 }, untrainableCalls: {} });
    expect(report.findings).toEqual([
      'no call that can be trained on reached the policy "planner" (["plan","rewrite"])',
    ]);
    await trainer.fit({ train: tasks, steps: 1 });
    expect((await readMetrics(runDirectory))[0]).toMatchObject({ transitions: 32, failed: 0 });
    expect(logger.lines.filter((line) => line.startsWith('warning'))).toEqual([
      expect.stringContaining('no call that can be trained on reached the policy "planner"'),
    ]);
  });

  it('refuse the calls of others where the backend cannot serve its base model, and say so', async () => {
    const { trainer } = await createTestTrainer({
      policies,
      rollout: async (task) => scoreLetter(task, await askAs('judge', task.letter)),
    });
    await expect(trainer.fit({ train: tasks, steps: 1 })).rejects.toMatchObject({
      code: 'no-signal',
      message: expect.stringMatching(/no policy answers .*judge.*writer.*\/write\//),
    });
  });

  it('sample ahead like one policy does, and are compared in the report', async () => {
    const shape = { maxStaleness: 2, steps: 4, groupSize: 8, tasksPerStep: 4 };
    const options = orderRun({ backend: new BigramBackend(), rollout: writeAndPlan, ...shape });
    const { trainer, runDirectory } = await createTestTrainer({ policies, ...options });
    const { reportPath } = await trainer.fit({ train: tasks, validation: tasks, steps: 4 });
    const { charts } = (await readReport(reportPath)).reply('');
    expect(charts).toContainEqual({
      title: 'entropy (nats), by policy',
      lines: [[expect.any(String), 'policies.*.entropy']],
    });
    for (const name of ['writer', 'planner'])
      expect((await readMetrics(runDirectory)).map(({ policies: all }) => all![name]!.stalenessMax)).toEqual([
        0, 1, 2, 2,
      ]);
  });

  it('need a gateway that can tell callers apart', async () => {
    const store = new MemoryStore();
    const { openAttempt, closeAttempt } = connectGateway({ url: 'http://127.0.0.1:9', adminKey: 'k'.repeat(32) });
    const gateway = { openAttempt, closeAttempt, publish: () => undefined, close: () => Promise.resolve() };
    const { trainer } = await createTestTrainer({ policies, store, gateway });
    await expect(trainer.fit({ train: tasks, steps: 1 })).rejects.toMatchObject({
      code: 'option-unsupported',
      message: expect.stringContaining('no route()'),
    });
    await store.close();
  });

  it.each([
    [{}, /policies must be a map of at least one name/],
    [null, /policies must be a map/],
    [{ base: { agentMatch: /a/ } }, /a name in policies must be .* not "base"; got "base"/],
    [{ '1st': { agentMatch: /a/ } }, /a name in policies must be .*got "1st"/],
    [{ 'a/b': { agentMatch: /a/ } }, /a name in policies must be .*got "a\/b"/],
    [
      { writer: { agentMatch: 'a|b' } },
      /policies\.writer\.agentMatch "a\|b" is a text.*write the regular expression \/a\|b\//,
    ],
    [{ writer: { agentMatch: 7 } }, /policies\.writer\.agentMatch must be a regular expression .*; got 7/],
    [{ writer: {} }, /policies\.writer\.agentMatch must be a regular expression .*; got undefined/],
    [
      { writer: { agentMatch: /a/, learningRate: 0 } },
      /policies\.writer\.learningRate must be a finite number above 0/,
    ],
    [{ writer: { agentMatch: /a/, rate: 1 } }, /policies\.writer has no option "rate"/],
  ])('are checked: %j', async (bad, message) => {
    await expect(createTestTrainer({ policies: bad as never })).rejects.toMatchObject({
      code: 'option-invalid',
      message: expect.stringMatching(message),
    });
  });
});

describe('two policies of the embedded backend', () => {
  it('learn different things: one to answer in ASCII, the other not to', async () => {
    const folder = await createFolder();
    await createTinyCheckpoint(join(folder, 'model'));
    await using stack = new AsyncDisposableStack();
    const backend = embedded({ model: join(folder, 'model'), threads: 1 });
    stack.defer(() => backend.close());
    const isAscii = (text: string): boolean => /^[\0-\x7f]+$/.test(text);
    const counts = { write: [0, 0], plan: [0, 0] };
    const trainer = new Trainer<string>({
      backend,
      policies,
      rollout: async (task, { rollout }) => {
        await askAs('judge', task); // the frozen base model
        const [written, planned] = [isAscii(await askAs('write', task)), isAscii(await askAs('plan', task))];
        if (rollout.metadata['step'] === 12) {
          counts.write[Number(written)]! += 1;
          counts.plan[Number(planned)]! += 1;
        }
        return (written ? 0.5 : 0) + (planned ? 0 : 0.5);
      },
      algorithm: grpo({ groupSize: 8, tasksPerStep: 4, learningRate: 0.05, maxTokens: 1 }),
      runDirectory: join(folder, 'run'),
      logger: recordingLogger(),
      progress: 'none',
      handleSignals: false,
    });
    const { curve, modelDirectory } = await trainer.fit({ train: ['a', 'b', 'c', 'd'], steps: 12 });
    expect(curve.at(-1)!.reward! - curve[0]!.reward!).toBeGreaterThan(0.2);
    expect(counts.write[1]! / 32).toBeGreaterThan(0.7);
    expect(counts.plan[1]! / 32).toBeLessThan(0.3);
    for (const name of ['writer', 'planner'])
      expect(await readdir(join(modelDirectory!, name))).toEqual(
        expect.arrayContaining(['config.json', 'model.safetensors']),
      );
  });
});
