import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startDashboard, type Dashboard } from '../src/index.ts';
import type { RolloutTree, StepSamples } from '../src/samples/shapes.ts';
import { config, createFolder, makeRun } from './make-run.ts';

const open: Dashboard[] = [];

afterEach(async () => {
  for (const dashboard of open.splice(0)) await dashboard.close();
});

const steps = [
  [
    [1, 0, 0.5, undefined],
    [1, 1, 1, 1],
  ],
  [[0, 0, 1, 1]],
] as const;

let shared: string;
beforeAll(async () => (shared = await makeRun(await createFolder('kept'), 'a', steps)));

async function ask<Reply>(directory: string, path: string): Promise<Reply> {
  const dashboard = await startDashboard({ source: directory });
  open.push(dashboard);
  const response = await fetch(`${dashboard.url}/api/runs/a/${path}`);
  expect(response.status, path).toBe(200);
  return (await response.json()) as Reply;
}

describe('the samples of a step', () => {
  it('are those that the options of the run make, with the rollouts that were left out and why', async () => {
    const shown = await ask<StepSamples>(shared, 'samples?step=1');
    expect(shown).toMatchObject({
      step: 1,
      layout: 'trajectory',
      used: { rollouts: 4, calls: 4, samples: 4, trainedTokens: 12, sampleTokens: 24, callTokens: 24 },
      leftOut: [{ what: 'rollouts', count: 4, reason: expect.stringContaining('earned the same') }],
      remarks: [expect.stringContaining('computed again')],
    });
    expect(shown.leftOut[0]!.rolloutIds).toHaveLength(4);
    expect(shown.rollouts.find(({ id }) => id === 'run.s1.g0.k3')).toMatchObject({
      reward: -0.5,
      calls: 1,
      samples: 1,
    });
    expect(shown.rollouts.find(({ id }) => id === 'run.s1.g1.k0')).toMatchObject({
      samples: 0,
      leftOut: shown.leftOut[0]!.reason,
    });
  });

  it('are those of the newest step where none is named', async () => {
    expect(await ask(shared, 'samples')).toMatchObject({ step: 2, used: { rollouts: 4 }, leftOut: [] });
  });

  it('say that the run counted others, and that a step that goes on has none yet', async () => {
    const directory = await makeRun(await createFolder(), 'a', steps);
    const path = join(directory, 'metrics.jsonl');
    const line = {
      step: 1,
      rollouts: 8,
      failed: 1,
      failureReward: -0.5,
      wallSeconds: 1,
      reward: {},
      failures: {},
      idleShare: {},
      seconds: {},
    };
    await writeFile(path, `${JSON.stringify({ ...line, failureKinds: { world: 0 }, samples: 3 })}\n`);
    expect(await ask(directory, 'samples?step=1')).toMatchObject({
      remarks: [expect.stringContaining('computed again'), expect.stringContaining('counted 3 samples, and not 4')],
    });
    await rm(path);
    const going = await ask<StepSamples>(directory, 'samples?step=1');
    expect(going.remarks[0]).toContain('is not finished');
    expect(going).toMatchObject({ used: { rollouts: 8 }, leftOut: [] });
  });

  it('are not told apart where the algorithm is another one, and their calls are shown all the same', async () => {
    const directory = await makeRun(await createFolder(), 'a', steps, { ...config, 'algorithm.name': 'sft' });
    expect(await ask(directory, 'samples?step=1')).toMatchObject({
      used: { rollouts: 8, calls: 8 },
      remarks: [expect.stringContaining('not trained by GRPO'), expect.stringContaining('is not known')],
    });
  });
});

describe('the samples of a rollout', () => {
  it('have the credit and the advantage of each call', async () => {
    const tree = await ask<RolloutTree>(shared, 'rollouts/run.s1.g0.k0/samples');
    expect(tree.calls).toMatchObject([
      { index: 0, sample: 0, depth: 0, credit: 1, promptTokens: 3, responseTokens: 3 },
    ]);
    expect(tree.calls[0]!.advantage).toBeGreaterThan(0);
    expect(tree).toMatchObject({
      samples: [{ calls: [0], trainedCalls: [0], tokens: 6, trainedTokens: 3 }],
      remarks: [],
    });
    expect(tree).not.toHaveProperty('leftOut');
  });

  it('are shown as they would be where nothing of the rollout was trained on', async () => {
    const tree = await ask<RolloutTree>(shared, 'rollouts/run.s1.g1.k0/samples');
    expect(tree).toMatchObject({ leftOut: expect.stringContaining('earned the same'), calls: [{ index: 0 }] });
    expect(tree.calls[0]).not.toHaveProperty('advantage');
  });
});
