import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StepMetrics as RunMetrics } from '@agent-lightning/run';
import { MemoryStore } from '@agent-lightning/store';
import { sft, Trainer, type SftMetrics, type SftOptions, type TrainerOptions } from '../src/index.ts';
import { BigramBackend } from './bigram-backend.ts';
import { answerLetter, type LetterTask } from './letter-task.ts';
import { createRunDirectory, recordingLogger, type RecordingLogger } from './run-folder.ts';

/** Learns within a few steps: each has all letters. */
export const learns = { samplesPerTask: 16, tasksPerStep: 8, learningRate: 30, maxGradientNorm: 0 } as const;

export function createBackend(): BigramBackend {
  return new BigramBackend({ losses: ['importance_sampling', 'cross_entropy'] });
}

export interface SftRunFolder {
  readonly trainer: Trainer<LetterTask>;
  readonly backend: BigramBackend;
  readonly logger: RecordingLogger;
  readonly runDirectory: string;
}

export async function createSftTrainer(
  options: SftOptions = {},
  given: Partial<TrainerOptions<LetterTask>> = {},
): Promise<SftRunFolder> {
  const backend = given.backend instanceof BigramBackend ? given.backend : createBackend();
  const logger = recordingLogger();
  const runDirectory = given.runDirectory ?? (await createRunDirectory());
  const trainer = new Trainer<LetterTask>({
    rollout: answerLetter,
    algorithm: sft({ ...learns, ...options }),
    logger,
    // A run that is resumed has a store of its own; one in memory is quicker.
    ...(given.runDirectory === undefined ? { store: new MemoryStore() } : {}),
    progress: 'none',
    handleSignals: false,
    ...given,
    backend,
    runDirectory,
  });
  return { trainer, backend, logger, runDirectory };
}

export async function readLines(runDirectory: string): Promise<readonly (RunMetrics & SftMetrics)[]> {
  const lines = (await readFile(join(runDirectory, 'metrics.jsonl'), 'utf8')).trim().split('\n');
  return lines.map((line) => JSON.parse(line) as RunMetrics & SftMetrics);
}
