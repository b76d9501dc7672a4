import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryStore } from '@agent-lightning/store';
import { Trainer } from '@agent-lightning/trainer';
import { afterEach, describe, expect, it } from 'vitest';
import { apo, gepa, type GepaOptions } from '../src/index.ts';
import { capitalTasks, rateCapital, scriptCritique, sentences, type CapitalTask } from './capitals/capital-agent.ts';
import { askHostedModel, startHostedModel } from './capitals/wired-agent.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

type Ask = (baseUrl: string, task: CapitalTask) => Promise<string>;

async function startSearch(
  algorithm: Partial<GepaOptions> = {},
  ask: Ask = (baseUrl, task) => askHostedModel(baseUrl, task),
  makeApo = false,
) {
  const model = await startHostedModel(capitalTasks);
  const folder = await mkdtemp(join(tmpdir(), 'found-'));
  cleanups.push(model.close, () => rm(folder, { recursive: true, force: true }));
  const lines: string[] = [];
  const log = (line: string): void => void lines.push(line);
  const runDirectory = join(folder, 'run');
  const store = new MemoryStore();
  const trainer = new Trainer<CapitalTask, object>({
    algorithm: makeApo
      ? apo({ prompts: 'found', reflection: scriptCritique(1), beam: 2, branches: 2, minibatch: 2, beamTasks: 4 })
      : gepa({ prompts: 'found', reflection: addSentence, ...algorithm }),
    rollout: async (task) => rateCapital(await ask(model.baseUrl, task)),
    logger: { info: log, warn: log, error: log },
    progress: 'none',
    handleSignals: false,
    store,
    retry: { maxAttempts: 1 },
    runDirectory,
  });
  return { model, lines, runDirectory, trainer, store };
}

/** Adds the first of three sentences that the prompt does not have yet. */
function addSentence(request: string): Promise<string> {
  const [, current] = /as it is now\n\n([\s\S]*?)\n\n# Example/.exec(request)!;
  const sentence = sentences.slice(0, 3).find((each) => !current!.includes(each)) ?? '';
  return Promise.resolve(`<new_prompt>${current} ${sentence}</new_prompt>`);
}

const template = 'Name the capital. The country is {{slot1}}.';

describe('a search over prompts that are found', () => {
  it('improves the prompt of an agent that names none, with its own model and key, and leaves the rest of its calls', async () => {
    const { trainer, model, lines, runDirectory } = await startSearch();
    await trainer.fit({ train: capitalTasks, validation: capitalTasks.slice(0, 2), steps: 5 });
    expect(lines.join('\n')).toContain(`found the prompt "capitals/system": "${template}"; {{slot1}} vary`);
    const best = JSON.parse(await readFile(join(runDirectory, 'model/prompts.json'), 'utf8')) as Record<string, string>;
    expect(best).toEqual({ 'capitals/system': `${template} ${sentences.slice(0, 3).join(' ')}` });
    for (const { system, tool, question, authorization } of model.received) {
      const [, country] = /capital of (.*)\?/.exec(question)!;
      expect(system.startsWith(template.replace('{{slot1}}', country!))).toBe(true);
      expect([tool, authorization]).toEqual(['Searches an atlas.', 'Bearer own-key']);
    }
    const found = JSON.parse(await readFile(join(runDirectory, 'model/found-prompts.json'), 'utf8')) as unknown[];
    expect(found).toMatchObject([{ name: 'capitals/system', agent: 'capitals', text: template }]);
  });

  it('warns when prompts are found in one task', async () => {
    const { trainer, lines } = await startSearch({ prompts: { findTasks: 1 } });
    await trainer.fit({ train: capitalTasks, steps: 1 });
    expect(lines.join('\n')).toContain('prompts were found in one task: what varies from task to task cannot be seen');
  });

  it('runs the rollouts of several candidates at once without mixing them', async () => {
    const { trainer, model, store } = await startSearch({ proposals: 3, selectionTasks: 4 });
    await trainer.fit({ train: capitalTasks, steps: 2 });
    const { items: rollouts } = await store.queryRollouts({ limit: 1_000 });
    const expected = new Map<string, string[]>();
    for (const rollout of rollouts) {
      const { country } = rollout.input as unknown as CapitalTask;
      const resource = (await store.getResources(rollout.resourcesId!))!.resources['capitals/system'];
      const text = resource?.type === 'prompt_template' ? resource.template : template;
      expected.set(country, [...(expected.get(country) ?? []), text.replace('{{slot1}}', country)]);
    }
    expect(new Set([...expected.values()].flat()).size).toBeGreaterThan(12);
    for (const [country, texts] of expected) {
      const got = model.received.filter(({ question }) => question.includes(country)).map(({ system }) => system);
      expect(got.toSorted()).toEqual(texts.toSorted());
    }
  });

  it('goes on where it was', async () => {
    const { trainer, lines, runDirectory } = await startSearch();
    await trainer.fit({ train: capitalTasks, steps: 1 });
    const finding = lines.filter((line) => line.includes('found the prompt')).length;
    await trainer.fit({ train: capitalTasks, steps: 4, resume: true });
    expect(lines.filter((line) => line.includes('found the prompt')).length).toBe(finding);
    const best = JSON.parse(await readFile(join(runDirectory, 'model/prompts.json'), 'utf8')) as Record<string, string>;
    expect(best['capitals/system']).toContain(sentences[1]);
  });

  it('is there for APO, too', async () => {
    const { trainer, runDirectory } = await startSearch({}, undefined, true);
    await trainer.fit({ train: capitalTasks, steps: 1 });
    const best = JSON.parse(await readFile(join(runDirectory, 'model/prompts.json'), 'utf8')) as Record<string, string>;
    expect(best['capitals/system']).toContain('The country is {{slot1}}.');
  });

  it('lists in a dry run what it would improve', async () => {
    const { trainer } = await startSearch({ prompts: { find: ['system', 'tool'] } });
    const { ok, findings } = await trainer.dev({ tasks: capitalTasks.slice(0, 3), samples: 2 });
    expect(ok).toBe(true);
    expect(findings.join('\n')).toContain('found the prompt "capitals/system"');
    expect(findings.join('\n')).toContain('found the prompt "tool:search/description": "Searches an atlas."');
  });

  it('ends by name when nothing is found, and when what was found does not come again', async () => {
    const nothing = await startSearch({ prompts: { agentMatch: 'nobody' } });
    await expect(nothing.trainer.fit({ train: capitalTasks, steps: 1 })).rejects.toMatchObject({
      code: 'no-signal',
      message: expect.stringContaining('no prompt was found') as string,
    });
    let runs = 0;
    const changing: Ask = async (baseUrl, task) =>
      await askHostedModel(baseUrl, task, { system: runs++ < 4 ? 'Name the capital.' : 'Say where the king lives.' });
    const lost = await startSearch({}, changing);
    await expect(lost.trainer.fit({ train: capitalTasks, steps: 2 })).rejects.toMatchObject({
      code: 'no-signal',
      message: expect.stringContaining(
        'the prompt "capitals/system" was found in the dry run, but stood in no',
      ) as string,
    });
  });

  it('ends by name in the first step when one rollout has another text, later leaves its reward out and says so', async () => {
    const oddly = (isOdd: (run: number) => boolean): Ask => {
      let runs = 0;
      return async (baseUrl, task) =>
        await askHostedModel(baseUrl, task, isOdd((runs += 1)) ? { system: 'Say where the king lives.' } : {});
    };
    const first = await startSearch(
      {},
      oddly((run) => run === 7),
    );
    await expect(first.trainer.fit({ train: capitalTasks, steps: 2 })).rejects.toMatchObject({
      code: 'no-signal',
      message: expect.stringContaining(
        'the prompt "capitals/system" stood in every call of its agent in the dry run, and in none of the calls of the rollout',
      ) as string,
    });
    let inFirst = Infinity;
    const later = await startSearch(
      {},
      oddly((run) => run === inFirst + 1),
    );
    await later.trainer.fit({ train: capitalTasks, steps: 1 });
    inFirst = later.model.received.length;
    await later.trainer.fit({ train: capitalTasks, steps: 2, resume: true });
    expect(later.lines.join('\n')).toContain('in none of the calls of the rollout');
    const ended = await startSearch(
      {},
      oddly((run) => run > inFirst),
    );
    await expect(ended.trainer.fit({ train: capitalTasks, steps: 2 })).rejects.toMatchObject({ code: 'no-signal' });
  });

  it('counts the rollouts that find prompts in its budget, and refuses one that is too small', async () => {
    const { trainer } = await startSearch({ budget: 15 });
    await expect(trainer.fit({ train: capitalTasks })).rejects.toMatchObject({ code: 'option-invalid' });
    const { trainer: other, model } = await startSearch({ budget: 30 });
    await other.fit({ train: capitalTasks });
    expect(model.received.length).toBeLessThanOrEqual(30);
  });
});
