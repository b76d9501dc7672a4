import { existsSync } from 'node:fs';
import { access, appendFile, constants, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { TrainerError } from '@agent-lightning/core';
import { writeFileAtomically } from '@agent-lightning/platform';
import type { StepMetrics } from '../metrics.ts';
import { Checkpoints } from './checkpoint.ts';
import { withFileErrors } from '../files/file-errors.ts';
import { checkSameRun, type RunConfig, type RunRecord } from './run-config.ts';
import { lockRun, type RunLock } from './run-lock.ts';

export interface OpenRunOptions {
  readonly config: RunConfig;
  readonly resume: boolean;
  readonly keepCheckpoints: number;
  /** The id of a run that begins. */
  readonly runId: string;
  readonly now: Date;
}

interface OpenedRun {
  readonly path: string;
  readonly record: RunRecord;
  readonly lock: RunLock;
  readonly keepCheckpoints: number;
  readonly isNew: boolean;
}

/**
 * Keeps the files of a run:
 *
 *     run.json        id and options of the run, so that a resume with other options is rejected
 *     run.lock        held while a process trains here
 *     store.sqlite    rollouts and spans, where the trainer opens the store
 *     checkpoints/    the newest ones, each whole
 *     metrics.jsonl   a line for each step
 *     spend.jsonl     what the run has spent, as it was counted; spend.json is the sum, by part and model
 *     charts.json     the charts that the algorithm has of its own figures
 *     samples/        a few rollouts of the first and the last step, for the report
 *     model/          the result of the algorithm: trained weights as an ordinary checkpoint, or prompts
 *     outcome.json    how the run ended, and what ailed it; not there while it goes on
 *     live.json       the address of the run's gateway, for who watches; there while a process trains here
 *     notes.jsonl     the notes of the run's readers, which the dashboard writes and the run never reads
 *     report.html
 */
export class RunDirectory {
  readonly path: string;
  readonly runId: string;
  /** Tells whether the run began when the directory was opened; also where it should have been resumed, and had not written a file yet. */
  readonly isNew: boolean;
  readonly checkpoints: Checkpoints;
  readonly #lock: RunLock;

  private constructor({ path, record, lock, keepCheckpoints, isNew }: OpenedRun) {
    this.path = path;
    this.isNew = isNew;
    this.runId = record.runId;
    this.checkpoints = new Checkpoints(join(path, 'checkpoints'), keepCheckpoints);
    this.#lock = lock;
  }

  /**
   * Locks the directory and begins a run in it, or goes on with the one that is there. A run that was killed before its first file
   * begins, also when it is resumed.
   * @throws {TrainerError} `run-locked` | `resume-mismatch` | `disk-full`
   * @throws {ConfigurationError} `option-invalid` when it cannot be written to
   */
  static async open(directory: string, options: OpenRunOptions): Promise<RunDirectory> {
    const path = resolve(directory);
    if (options.resume && !existsSync(path)) throw noRun(path); // most likely a wrong path
    return await withFileErrors(path, async () => {
      await mkdir(path, { recursive: true });
      await access(path, constants.W_OK);
      const lock = await lockRun(path);
      try {
        const isNew = !options.resume || (await isUnused(path));
        const record = isNew ? await beginRun(path, options) : await readRun(path, options.config);
        await rm(join(path, 'outcome.json'), { force: true }); // the run goes on: how it ended before is not how it ends
        return new RunDirectory({ path, record, lock, keepCheckpoints: options.keepCheckpoints, isNew });
      } catch (error) {
        lock.release();
        throw error;
      }
    });
  }

  /** Returns a path inside the directory. */
  file(...names: readonly string[]): string {
    return join(this.path, ...names);
  }

  async appendMetrics(metrics: StepMetrics): Promise<void> {
    const path = this.file('metrics.jsonl');
    await withFileErrors(path, () => appendFile(path, `${JSON.stringify(metrics)}\n`));
  }

  /** Reads the lines of `metrics.jsonl`; a last line that a crash cut off is left out. */
  async readMetrics<Metrics extends StepMetrics = StepMetrics>(): Promise<readonly Metrics[]> {
    return await RunDirectory.readMetrics(this.path);
  }

  /** Reads the record of a directory that is not opened, or returns undefined where it holds no run. */
  static async readRecord(directory: string): Promise<RunRecord | undefined> {
    const path = join(directory, 'run.json');
    return existsSync(path) ? (JSON.parse(await readFile(path, 'utf8')) as RunRecord) : undefined;
  }

  /** Reads the metrics of a directory that is not opened, so that the run may go on meanwhile. */
  static async readMetrics<Metrics extends StepMetrics = StepMetrics>(directory: string): Promise<readonly Metrics[]> {
    const path = join(directory, 'metrics.jsonl');
    if (!existsSync(path)) return [];
    const lines = (await readFile(path, 'utf8')).split('\n').slice(0, -1);
    return lines.map((line) => JSON.parse(line) as Metrics);
  }

  /** Removes the lines after a step, the ones that a resumed run writes again, and puts others in their place. */
  async truncateMetrics(lastStep: number, ...others: readonly StepMetrics[]): Promise<void> {
    const kept = (await this.readMetrics()).filter((metrics) => metrics.step <= lastStep);
    await this.writeFile(
      [...kept, ...others].map((metrics) => `${JSON.stringify(metrics)}\n`).join(''),
      'metrics.jsonl',
    );
  }

  /** Writes a file, whole or not at all. Returns its path. */
  async writeFile(text: string, ...names: readonly string[]): Promise<string> {
    const path = this.file(...names);
    await withFileErrors(path, async () => {
      await mkdir(join(path, '..'), { recursive: true });
      await writeFileAtomically(path, text);
    });
    return path;
  }

  close(): void {
    this.#lock.release();
  }
}

/** The files that a run has written before it is one: its lock, and the first pieces of its record. */
const beforeRun = /^run\.(lock(-journal)?|json\.\d+\.partial)$/;

async function isUnused(path: string): Promise<boolean> {
  return (await readdir(path)).every((name) => beforeRun.test(name));
}

async function beginRun(path: string, options: OpenRunOptions): Promise<RunRecord> {
  if (existsSync(join(path, 'run.json'))) {
    throw new TrainerError(
      `${path} already holds a run; go on with it by fit({ …, resume: true }), or give another runDirectory`,
      { code: 'resume-mismatch' },
    );
  }
  const record: RunRecord = {
    format: 1,
    runId: options.runId,
    startedAt: options.now.toISOString(),
    config: options.config,
  };
  await writeFileAtomically(join(path, 'run.json'), `${JSON.stringify(record, undefined, 2)}\n`);
  return record;
}

function noRun(path: string): TrainerError {
  return new TrainerError(
    `${path} holds no run to resume; give the runDirectory of the run, or leave resume out to begin one`,
    { code: 'resume-mismatch' },
  );
}

async function readRun(path: string, config: RunConfig): Promise<RunRecord> {
  const record = await RunDirectory.readRecord(path);
  if (record === undefined) throw noRun(path);
  checkSameRun(path, record.config, config);
  return record;
}
