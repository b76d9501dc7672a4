/**
 * The thirteen defects that were found in Python gepa 0.1.4, each with the test that shows ours does right. Tests elsewhere:
 * 3 (another continuation after a resume): gepa.test.ts "to the very same end", gepa.full.test.ts; 7 (an ancestor that scores 0), gepa-parity.test.ts;
 * 8 (lost placeholders): gepa.test.ts "lost or invented a variable"; 12 (several fenced blocks): reflection/read-answer.test.ts; 13 (noise as gain): noise.test.ts.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { promptTemplate } from '../src/index.ts';
import { writeRequest } from '../src/reflection/request.ts';
import { answerCapital, answerPrompt, capitalTasks, finishPrompt, rateCapital } from './capitals/capital-agent.ts';
import { createSearch, searchRollouts, type Search } from './capitals/gepa-search.ts';

interface Exported {
  readonly selection: readonly number[];
  readonly candidates: readonly {
    readonly scores: readonly number[];
    readonly texts: Readonly<Record<string, string>>;
  }[];
}

async function readCandidates({ runDirectory }: Search): Promise<Exported> {
  return JSON.parse(await readFile(join(runDirectory, 'model/candidates.json'), 'utf8')) as Exported;
}

const better = async (): Promise<string> => `<new_prompt>${answerPrompt.text} End with a full stop.</new_prompt>`;

describe('defects of gepa 0.1.4 that ours does not have', () => {
  it('1: rewards of training tasks are never taken for those of selection tasks', async () => {
    const search = await createSearch(
      { reflection: better },
      {
        // The new prompt is perfect on the tasks of minibatches, and earns nothing on the others.
        rollout: (task, { rollout: { metadata } }) =>
          answerCapital(task).endsWith('.') ? Number(metadata['purpose'] !== 'selection') : 0.5,
      },
    );
    await search.trainer.fit({ train: capitalTasks, steps: 1 });
    const { candidates } = await readCandidates(search);
    expect(candidates.map(({ scores }) => new Set(scores))).toEqual([new Set([0.5]), new Set([0])]);
  });

  it('2: a resumed run does not run the first prompts on the selection tasks again', async () => {
    const first = await createSearch();
    await first.trainer.fit({ train: capitalTasks, steps: 2 });
    const { runDirectory, store } = first;
    const second = await createSearch({}, { runDirectory, store });
    await second.trainer.fit({ train: capitalTasks, steps: 4, resume: true });
    expect(first.ran.filter(({ purpose }) => purpose === 'seed')).toHaveLength(6);
    expect(second.ran.filter(({ purpose }) => purpose === 'seed' || purpose === 'repeat')).toEqual([]);
    const lines = await second.metrics();
    expect(lines.at(-1)!.searchRollouts).toBe(searchRollouts(first) + searchRollouts(second));
  });

  it('4: a run is not resumed with another set of prompts', async () => {
    const { trainer, runDirectory, store } = await createSearch();
    await trainer.fit({ train: capitalTasks, steps: 1 });
    const { trainer: more } = await createSearch(
      { prompts: [answerPrompt, finishPrompt], merges: 0 },
      { runDirectory, store },
    );
    await expect(more.fit({ train: capitalTasks, steps: 2, resume: true })).rejects.toMatchObject({
      code: 'resume-mismatch',
      message: expect.stringContaining('algorithm.prompts'),
    });
  });

  it('5: a rollout that throws ends no run', async () => {
    const search = await createSearch(
      { reflection: better },
      {
        rollout: (task) => {
          if (task.city === 'Rome') throw new Error('no such country');
          return rateCapital(answerCapital(task));
        },
        failureReward: 0,
      },
    );
    await search.trainer.fit({ train: capitalTasks, steps: 3 });
    const { candidates, selection } = await readCandidates(search);
    const failing = selection.indexOf(capitalTasks.findIndex(({ city }) => city === 'Rome'));
    for (const { scores } of candidates) expect(scores[failing] ?? 0).toBe(0);
    expect(candidates).toHaveLength(2);
  });

  it('6: a reflection model that is down ends the run, and is charged three minibatches instead of the budget', async () => {
    const search = await createSearch({
      budget: 300,
      reflection: async () => await Promise.reject(new Error('no route to host')),
    });
    await expect(search.trainer.fit({ train: capitalTasks })).rejects.toMatchObject({ code: 'upstream-failed' });
    expect(searchRollouts(search)).toBe(6 + 6 + 3 * 3);
  });

  it('9: what looks like a marker in a prompt stays what it is', () => {
    const text = 'Put <side_info> and <curr_param> and $& and {{name}} here.';
    const request = writeRequest(promptTemplate('write', text), text, [], undefined);
    expect(request.split(text)).toHaveLength(2);
    expect(request.match(/<side_info>/g)).toHaveLength(1);
  });

  it('10: a prompt that is the same as its parent is not run, nor is a minibatch on which the parent is known to be perfect', async () => {
    const same = await createSearch({ reflection: async () => answerPrompt.text });
    await same.trainer.fit({ train: capitalTasks, steps: 2 });
    expect(same.ran.filter(({ purpose }) => purpose === 'child')).toEqual([]);
    const perfect = await createSearch({}, { rollout: (task) => answerCapital(task) !== '' });
    expect(await perfect.trainer.fit({ train: capitalTasks, steps: 20 })).toMatchObject({ stopReason: 'converged' });
    expect(perfect.ran).toEqual([]);
    expect((await perfect.metrics()).map(({ searchRollouts: spent }) => spent)).toEqual([15, 18]); // two minibatches, no more
  });

  it('11: a reward that is no number never counts, and ends a run that has no other', async () => {
    const search = await createSearch(
      { reflection: better },
      { rollout: (task) => (answerCapital(task).endsWith('.') ? Number.NaN : 0.5) },
    );
    await search.trainer.fit({ train: capitalTasks, steps: 2 });
    const { candidates } = await readCandidates(search);
    expect(candidates).toHaveLength(1);
    const always = await createSearch(
      { budget: 300 },
      { rollout: (task) => (answerCapital(task) === '' ? 1 : Number.NaN) },
    );
    await expect(always.trainer.fit({ train: capitalTasks })).rejects.toThrow();
    expect((await always.metrics()).length).toBeLessThan(12);
  });
});
