/**
 * Measures whether a student that is marked by a teacher learns from the marks, and whether shuffled marks teach nothing:
 *
 *     npm run measure:distill -- --seeds 0,1,2 [--steps 8] [--reward-weight 0]
 *
 * The teacher is the starting model after `sft`, on problems of its own; the student is the starting model. Prints a line of JSON for each run:
 * held-out problems solved, greedy, before and after.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Algorithm, JsonValue } from '@agent-lightning/core';
import { embedded } from '@agent-lightning/embedded';
import { distill, sft } from '@agent-lightning/trainer';

import { ownProblems } from './problem-set.ts';
import { validationProblems } from './problems.ts';
import { startingModel, train } from './train.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '0,1,2' },
    controls: { type: 'string', default: 'none,shuffled' },
    steps: { type: 'string', default: '8' },
    'teacher-seed': { type: 'string', default: '100' },
    'reward-weight': { type: 'string', default: '0' },
  },
});
const silent = { info: () => undefined, warn: console.error, error: console.error };
const folder = join('runs', `measure-distill-${process.pid}`);

/** One run: what is trained, on which problems, and with which rewards. */
interface Measured {
  readonly algorithm: Algorithm;
  readonly seed: number;
  readonly control: 'none' | 'shuffled';
  readonly steps: number;
  readonly runDirectory: string;
}

async function measure({
  algorithm,
  seed,
  control,
  steps,
  runDirectory,
}: Measured): Promise<Record<string, JsonValue>> {
  const startedAtMs = performance.now();
  const { validationBefore, validationAfter, rollouts } = await train(
    {
      problems: { ...ownProblems({ seed, validationSeed: seed }), validation: validationProblems(seed, 96) },
      backend: embedded({ model: startingModel, wideKernels: true }),
      algorithm,
      trainerOptions: { seed, control, runDirectory, logger: silent, progress: 'none' },
    },
    { steps, verdict: false },
  );
  const seconds = Math.round((performance.now() - startedAtMs) / 1_000);
  const { name } = algorithm;
  return {
    name,
    seed,
    control,
    validationBefore: validationBefore!,
    validationAfter: validationAfter!,
    rollouts,
    seconds,
  };
}

try {
  const imitation = sft({ samplesPerTask: 4, tasksPerStep: 24, learningRate: 1e-3 });
  const seed = Number(values['teacher-seed']);
  const taught = {
    algorithm: imitation,
    seed,
    control: 'none',
    steps: 8,
    runDirectory: join(folder, 'teacher'),
  } as const;
  console.log(JSON.stringify({ teacher: await measure(taught) }));
  await using teacher = embedded({ model: join(folder, 'teacher', 'model'), wideKernels: true });
  const algorithm = distill({
    teacher,
    samplesPerTask: 4,
    tasksPerStep: 24,
    rewardWeight: Number(values['reward-weight']),
  });
  const controls = values.controls.split(',') as ('none' | 'shuffled')[];
  for (const [index, own] of values.seeds.split(',').map(Number).entries())
    for (const control of controls) {
      const runDirectory = join(folder, `student-${index}-${control}`);
      console.log(
        JSON.stringify(await measure({ algorithm, seed: own, control, steps: Number(values.steps), runDirectory })),
      );
    }
} finally {
  await rm(folder, { recursive: true, force: true });
}
