/** Imitation in the PyTorch worker, and the worker as a teacher; needs `npm run setup:python`. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Algorithm, TrainingBackend } from '@agent-lightning/core';
import { embedded } from '@agent-lightning/embedded';
import { findPythonIfAny, gpu } from '@agent-lightning/gpu';
import { distill, sft, type DistillMetrics, type SftMetrics, type TrainingResult } from '@agent-lightning/trainer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { ownProblems } from './problem-set.ts';
import { validationProblems } from './problems.ts';
import { startingModel, train } from './train.ts';

const python = findPythonIfAny();
const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'calc-worker-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A worker that trains all weights of a model, or marks by them. */
const workerOf = (model: string, name: string): TrainingBackend =>
  gpu({ model, device: 'cpu', stateDirectory: join(folder, name), logger: quiet });

async function measure(runName: string, backend: TrainingBackend, algorithm: Algorithm): Promise<TrainingResult> {
  return await train(
    {
      problems: { ...ownProblems({ seed: 0, validationSeed: 0 }), validation: validationProblems(0, 32) },
      backend,
      algorithm,
      trainerOptions: { seed: 0, runDirectory: join(folder, runName), logger: quiet, progress: 'none' },
    },
    { steps: 5, verdict: false },
  );
}

async function readLines<Metrics>(runName: string): Promise<readonly Metrics[]> {
  const text = await readFile(join(folder, runName, 'metrics.jsonl'), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Metrics);
}

const needs = 'needs Python: npm run setup:python';

describe.skipIf(python === undefined)(`the calculator agent on the worker (${needs})`, { timeout: 1_800_000 }, () => {
  it('imitates its best answers to a falling loss and more held-out problems solved, then teaches that by marks', async () => {
    const imitation = sft({ samplesPerTask: 4, tasksPerStep: 24, learningRate: 2e-3 });
    const taught = await measure('sft', workerOf(startingModel, 'student-states'), imitation);
    const lines = await readLines<SftMetrics>('sft');
    const lossOf = (two: readonly SftMetrics[]): number => two[0]!.loss! + two[1]!.loss!;
    expect(lossOf(lines.slice(-2))).toBeLessThan(lossOf(lines.slice(0, 2)));
    expect(taught.validationAfter! - taught.validationBefore!).toBeGreaterThan(0.2);

    await using teacher = workerOf(taught.modelDirectory!, 'teacher-states') as TrainingBackend & AsyncDisposable;
    const student = embedded({ model: startingModel, wideKernels: true });
    const marked = distill({ teacher, samplesPerTask: 4, tasksPerStep: 24, learningRate: 1e-3, passes: 2 });
    const learned = await measure('distill', student, marked);
    const marks = await readLines<DistillMetrics>('distill');
    expect(marks.at(-1)!.klTeacher!).toBeLessThan(marks[0]!.klTeacher! / 2);
    expect(learned.validationAfter! - learned.validationBefore!).toBeGreaterThan(0.2);
  });
});
