import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { algorithmNames, fitOptionsOf, stepsOf, train, type AlgorithmName } from './train.ts';

const quiet = () => undefined;
const seeds = [0, 1, 2];

/** Returns the gain on held-out tickets. */
async function measureGain(algorithm: AlgorithmName, seed: number, control: 'none' | 'shuffled'): Promise<number> {
  const runDirectory = await mkdtemp(join(tmpdir(), 'prompt-agent-'));
  try {
    const { validationBefore, validationAfter } = await train({
      algorithm,
      seed,
      trainerOptions: {
        control,
        runDirectory,
        progress: 'none',
        handleSignals: false,
        logger: { info: quiet, warn: quiet, error: quiet },
      },
      fitOptions: { ...fitOptionsOf(seed, 0), steps: stepsOf[algorithm], verdict: false },
    });
    return validationAfter! - validationBefore!;
  } finally {
    await rm(runDirectory, { recursive: true, force: true });
  }
}

/** A guard against hanging alone: a run takes a minute of CPU time, and a busy machine gives it a twentieth of a core. */
const timeout = 1_800_000;

describe.each(algorithmNames)('%s', { timeout }, (algorithm) => {
  it.each(seeds)('improves the desk, with seed %i', async (seed) => {
    expect(await measureGain(algorithm, seed, 'none')).toBeGreaterThanOrEqual(0.15);
  });

  it.each(seeds)('learns nothing from shuffled rewards, with seed %i', async (seed) => {
    expect(await measureGain(algorithm, seed, 'shuffled')).toBeLessThanOrEqual(0.08);
  });
});
