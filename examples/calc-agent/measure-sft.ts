/**
 * Measures whether imitating the best of four answers teaches the agent something, and whether shuffled rewards do not:
 *
 *     npm run measure:sft -- --seeds 0,1,2 [--steps 8] [--learning-rate 1e-3]
 *
 * Prints a line of JSON for each run: held-out problems solved, greedy, before and after.
 */
import { rm } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { embedded } from '@agent-lightning/embedded';
import { sft } from '@agent-lightning/trainer';

import { ownProblems } from './problem-set.ts';
import { validationProblems } from './problems.ts';
import { startingModel, train } from './train.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '0,1,2' },
    controls: { type: 'string', default: 'none,shuffled' },
    steps: { type: 'string', default: '8' },
    'learning-rate': { type: 'string', default: '1e-3' },
  },
});
const silent = { info: () => undefined, warn: console.error, error: console.error };

async function measure(seed: number, control: 'none' | 'shuffled'): Promise<object> {
  const runDirectory = `runs/measure-sft-${process.pid}-${seed}-${control}`;
  const startedAtMs = performance.now();
  try {
    const { validationBefore, validationAfter, rollouts } = await train(
      {
        problems: { ...ownProblems({ seed, validationSeed: seed }), validation: validationProblems(seed, 96) },
        backend: embedded({ model: startingModel, wideKernels: true }),
        algorithm: sft({ samplesPerTask: 4, tasksPerStep: 24, learningRate: Number(values['learning-rate']) }),
        trainerOptions: { seed, control, runDirectory, logger: silent, progress: 'none' },
      },
      { steps: Number(values.steps), verdict: false },
    );
    const seconds = Math.round((performance.now() - startedAtMs) / 1_000);
    return { seed, control, validationBefore, validationAfter, rollouts, seconds };
  } finally {
    await rm(runDirectory, { recursive: true, force: true });
  }
}

for (const seed of values.seeds.split(',').map(Number))
  for (const control of values.controls.split(',') as ('none' | 'shuffled')[])
    console.log(JSON.stringify(await measure(seed, control)));
