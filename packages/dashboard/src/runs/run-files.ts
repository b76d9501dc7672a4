import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { LightningError } from '@agent-lightning/core';
import {
  Checkpoints,
  type RunConfig,
  type RunState as SavedState,
  type StepMetrics,
  type ToldFinding,
  type Verdict,
} from '@agent-lightning/run';

/** The record of a run, `run.json`. */
export interface RunRecord {
  readonly runId: string;
  readonly startedAt: string;
  readonly config: RunConfig;
}

/** The end of a run, `outcome.json`. */
export interface RunEnd {
  readonly step: number;
  readonly outcome: string;
  readonly findings: readonly ToldFinding[];
}

/** Reads the files of one run directory. It takes no lock and writes nothing, so the run may go on meanwhile. */
export class RunFiles {
  readonly directory: string;
  #metrics: readonly StepMetrics[] = [];
  #metricsMark = '';

  constructor(directory: string) {
    this.directory = directory;
  }

  /** Returns a text that changes when a file of the run does. Nothing is read, so it can be asked for every second. */
  async mark(): Promise<string> {
    const names = ['run.json', 'metrics.jsonl', 'outcome.json', 'verdict.json'];
    const marks = names.map(async (name) => {
      const found = await stat(join(this.directory, name)).catch(() => undefined); // it is not there, or not any more
      return found === undefined ? '' : `${found.size} ${found.mtimeMs}`;
    });
    return [...(await Promise.all(marks)), this.hasStore()].join(' · ');
  }

  /** Reads `run.json`; undefined for a folder that has none, or one that cannot be read. */
  async record(): Promise<RunRecord | undefined> {
    const record = await this.#readJson<Partial<RunRecord>>('run.json');
    if (record?.runId === undefined || typeof record.config !== 'object' || record.config === null) return undefined;
    return { runId: String(record.runId), startedAt: String(record.startedAt ?? ''), config: record.config };
  }

  /** Reads the lines of metrics; a last line that is being written is left out. The file is read again when it has changed. */
  async metrics(): Promise<readonly StepMetrics[]> {
    const path = join(this.directory, 'metrics.jsonl');
    if (!existsSync(path)) return [];
    const { size, mtimeMs, ino } = await stat(path);
    const mark = `${ino} ${size} ${mtimeMs}`;
    if (mark === this.#metricsMark) return this.#metrics;
    const lines = (await readFile(path, 'utf8')).split('\n').slice(0, -1);
    this.#metrics = lines.filter((line) => line !== '').map((line) => JSON.parse(line) as StepMetrics);
    this.#metricsMark = mark;
    return this.#metrics;
  }

  /** Reads how the run ended; undefined while it has not, and for runs of older versions. */
  async end(): Promise<RunEnd | undefined> {
    return await this.#readJson<RunEnd>('outcome.json');
  }

  /** Tells whether the report was written after the newest step: so ended a run of a version without `outcome.json`. */
  async hasReport(): Promise<boolean> {
    const [report, metrics] = [join(this.directory, 'report.html'), join(this.directory, 'metrics.jsonl')];
    if (!existsSync(report)) return false;
    return !existsSync(metrics) || (await stat(report)).mtimeMs >= (await stat(metrics)).mtimeMs;
  }

  async verdict(): Promise<(Verdict & { readonly step: number }) | undefined> {
    return await this.#readJson<Verdict & { readonly step: number }>('verdict.json');
  }

  /** Reads the state in the newest checkpoint; undefined where there is none that this version reads. */
  async newestState(): Promise<SavedState | undefined> {
    try {
      const checkpoints = new Checkpoints(join(this.directory, 'checkpoints'), 1);
      const [newest] = await checkpoints.steps();
      return newest === undefined ? undefined : (await checkpoints.find(newest))?.state;
    } catch (error) {
      if (LightningError.isInstance(error) || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  get storePath(): string {
    return join(this.directory, 'store.sqlite');
  }

  hasStore(): boolean {
    return existsSync(this.storePath);
  }

  async #readJson<Value>(name: string): Promise<Value | undefined> {
    const path = join(this.directory, name);
    if (!existsSync(path)) return undefined;
    try {
      return JSON.parse(await readFile(path, 'utf8')) as Value;
    } catch (error) {
      if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }
}
