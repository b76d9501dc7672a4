import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { grpo, Trainer, type GrpoMetrics, type GrpoOptions, type TrainerOptions } from '../src/index.ts';
import type { StepMetrics as RunMetrics } from '@agent-lightning/run';
import type { Logger } from '@agent-lightning/core';
import { MemoryStore } from '@agent-lightning/store';
import { BigramBackend } from './bigram-backend.ts';
import { answerLetter, type LetterTask } from './letter-task.ts';

const folders: string[] = [];
/** The stores in memory, by the folder of the run. */
const stores = new Map<string, MemoryStore>();

afterEach(async () => {
  for (const store of stores.values()) await store.close();
  stores.clear();
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

/** A folder for runs that is removed after the test. */
export async function createFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'trainer-'));
  folders.push(folder);
  return folder;
}

/** A line of the metrics of a run of GRPO. */
export type GrpoLine = RunMetrics & GrpoMetrics;

/** Returns a place for a run with a store of its own, which can be resumed. */
export async function createRunDirectory(): Promise<string> {
  return join(await createFolder(), 'run');
}

/**
 * Returns the place of a run, and its store in memory: a new one for a run without a place, and that of the run that goes on there. One
 * that has a store, or a new place of its own, needs none.
 */
export async function placeRun(
  given: Pick<TrainerOptions, 'runDirectory' | 'store'>,
): Promise<{ readonly runDirectory: string; readonly store: MemoryStore | undefined }> {
  const runDirectory = given.runDirectory ?? (await createRunDirectory());
  if (given.store !== undefined) return { runDirectory, store: undefined };
  if (given.runDirectory === undefined) stores.set(runDirectory, new MemoryStore());
  return { runDirectory, store: stores.get(runDirectory) };
}

/** The lines of a run's metrics. */
export async function readMetrics(runDirectory: string): Promise<readonly GrpoLine[]> {
  const lines = (await readFile(join(runDirectory, 'metrics.jsonl'), 'utf8')).trim().split('\n');
  return lines.map((line) => JSON.parse(line) as GrpoLine);
}

/** The replies of the routes of the dashboard that a report holds. */
export interface ReportContent {
  readonly chosen: readonly string[];
  readonly entries: readonly { readonly id: string; readonly task: string; readonly taskKind?: string }[];
  /** Returns the reply at an address below that of the run, such as `examples`. */
  // oxlint-disable-next-line typescript/no-explicit-any -- the replies have many shapes, which their own package checks
  readonly reply: (address: string) => any;
}

/** Reads what the report of a run holds, which must have been written. */
export async function readReport(path: string | undefined): Promise<ReportContent> {
  const page = await readFile(path!, 'utf8');
  const [, text] = /<script type="application\/json" id="snapshot">(.*?)<\/script>/s.exec(page)!;
  const { run, chosen, entries, replies } = JSON.parse(text!);
  return { chosen, entries, reply: (address) => replies[`/api/runs/${run}${address === '' ? '' : `/${address}`}`] };
}

/** A logger that keeps its lines. */
export interface RecordingLogger extends Logger {
  readonly lines: string[];
}

export function recordingLogger(): RecordingLogger {
  const lines: string[] = [];
  return {
    lines,
    info: (message) => void lines.push(message),
    warn: (message) => void lines.push(`warning: ${message}`),
    error: (message) => void lines.push(`error: ${message}`),
  };
}

export interface TestTrainer {
  readonly trainer: Trainer<LetterTask>;
  readonly backend: BigramBackend;
  readonly logger: RecordingLogger;
  readonly runDirectory: string;
  /** The store of the run, where it is in memory. */
  readonly store: MemoryStore | undefined;
}

/**
 * A trainer on the letter task with quiet, small and quick defaults. Its store is in memory, which is three times as quick; so is that
 * of another one that goes on with its run. One that is given a new place for its run has a file of its own there.
 */
export async function createTestTrainer(
  options: Partial<TrainerOptions<LetterTask>> = {},
  algorithm: GrpoOptions = {},
): Promise<TestTrainer> {
  const backend = options.backend instanceof BigramBackend ? options.backend : new BigramBackend();
  const logger = recordingLogger();
  const { runDirectory, store } = await placeRun(options);
  const trainer = new Trainer<LetterTask>({
    rollout: answerLetter,
    backend,
    algorithm: grpo({
      groupSize: 8,
      tasksPerStep: 4,
      learningRate: 60,
      maxGradientNorm: 0,
      extendFailed: 0,
      ...algorithm,
    }),
    logger,
    progress: 'none',
    handleSignals: false,
    ...(store !== undefined && { store }),
    ...options,
    runDirectory,
  });
  return { trainer, backend, logger, runDirectory, store };
}
