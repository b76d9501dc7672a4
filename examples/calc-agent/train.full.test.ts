import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { embedded } from '@agent-lightning/embedded';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { trainingProblems, validationProblems } from './problems.ts';
import { ownProblems } from './problem-set.ts';
import { createAlgorithm, startingModel, train } from './train.ts';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'calc-agent-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const quiet = () => undefined;

function oneStep(air: boolean) {
  return train(
    {
      problems: {
        ...ownProblems({ seed: 1, validationSeed: 1 }),
        train: trainingProblems(1, 24),
        validation: validationProblems(1, 16),
      },
      backend: embedded({ model: startingModel, wideKernels: true }),
      algorithm: createAlgorithm({ name: 'grpo', air, learningRate: 3e-4 }),
      trainerOptions: {
        seed: 1,
        runDirectory: join(folder, air ? 'air' : 'no-air'),
        progress: 'none',
        logger: { info: quiet, warn: quiet, error: quiet },
      },
    },
    { steps: 1 },
  );
}

describe('training', () => {
  it('samples the same with and without intermediate rewards, and learns something else from them', async () => {
    const [air, noAir] = [await oneStep(true), await oneStep(false)];
    for (const result of [air, noAir]) {
      expect(result).toMatchObject({ stopReason: 'completed', steps: 1, rollouts: air.rollouts });
      expect(result.transitions).toBeGreaterThan(24 * 8); // some rollouts call the calculator first
    }
    // Groups in which all failed get up to half as many rollouts more.
    expect(air.rollouts).toBeGreaterThanOrEqual(16 + 24 * 8 + 16);
    expect(air.rollouts).toBeLessThanOrEqual(16 + 24 * 12 + 16);
    expect(air.curve[1]?.reward).toBeGreaterThan(0);
    expect(air.curve[1]?.reward).toBe(noAir.curve[1]?.reward);
    const [one, other] = await Promise.all(
      [air, noAir].map(({ modelDirectory }) => readFile(join(modelDirectory!, 'model.safetensors'))),
    );
    expect(one!.equals(other!)).toBe(false);
  });
});
