import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { LightningError, type MetricChart } from '@agent-lightning/core';
import {
  Checkpoints,
  type RunConfig,
  type RunState as SavedState,
  type Spend,
  type StepMetrics,
  type ToldFinding,
  type Verdict,
} from '@agent-lightning/run';
import { NotesFile } from '../notes/notes-file.ts';

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

/** Reads the files of one run directory. It takes no lock and writes none of the run's own files, so the run may go on meanwhile. */
export class RunFiles {
  readonly directory: string;
  /** The notes of the run's readers. */
  readonly notes: NotesFile;
  #metrics: readonly StepMetrics[] = [];
  readonly #hasOtherStore: boolean;
  #metricsMark = '';
  #unreadLines = 0;

  /** @param hasOtherStore true where a store elsewhere has its rollouts */
  constructor(directory: string, hasOtherStore: boolean = false) {
    this.directory = directory;
    this.#hasOtherStore = hasOtherStore;
    this.notes = new NotesFile(directory);
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

  /**
   * Reads the lines of metrics; a last line that is being written is left out, and so is one that is no line of metrics. The file is read
   * again when it has changed.
   */
  async metrics(): Promise<readonly StepMetrics[]> {
    const path = join(this.directory, 'metrics.jsonl');
    if (!existsSync(path)) return [];
    const { size, mtimeMs, ino } = await stat(path);
    const mark = `${ino} ${size} ${mtimeMs}`;
    if (mark === this.#metricsMark) return this.#metrics;
    const lines = (await readFile(path, 'utf8')).split('\n').slice(0, -1);
    const written = lines.filter((line) => line !== '');
    this.#metrics = written.map(readLine).filter((line) => line !== undefined);
    this.#unreadLines = written.length - this.#metrics.length;
    this.#metricsMark = mark;
    return this.#metrics;
  }

  /** Says how many lines of metrics the newest reading left out; undefined where it read all. */
  get problem(): string | undefined {
    const count = this.#unreadLines;
    return count === 0 ? undefined : `${count} of the lines of metrics.jsonl cannot be read`;
  }

  /** Reads the address of the gateway of a run that goes on; undefined where it told none. */
  async gatewayUrl(): Promise<unknown> {
    return (await this.#readJson<{ readonly gatewayUrl?: unknown }>('live.json'))?.gatewayUrl;
  }

  /** Reads how the run ended; undefined while it has not, and for runs of older versions. */
  async end(): Promise<RunEnd | undefined> {
    const end = await this.#readJson<RunEnd>('outcome.json');
    return typeof end?.step === 'number' && Array.isArray(end.findings) ? end : undefined;
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

  /** Reads the charts of the algorithm's own figures; none where it has none. */
  async charts(): Promise<readonly MetricChart[]> {
    const file = await this.#readJson<{ readonly charts?: unknown }>('charts.json');
    return Array.isArray(file?.charts) ? file.charts.filter(isChart) : [];
  }

  /** Reads what the run has spent; undefined where it keeps nothing of it. */
  async spend(): Promise<Spend | undefined> {
    const spend = await this.#readJson<Spend>('spend.json');
    return Array.isArray(spend?.models) && typeof spend.usd === 'number' ? spend : undefined;
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
    return this.#hasOtherStore || existsSync(this.storePath);
  }

  /** Reads a file with an object in it; undefined where it holds anything else. */
  async #readJson<Value>(name: string): Promise<Value | undefined> {
    const path = join(this.directory, name);
    if (!existsSync(path)) return undefined;
    try {
      const value: unknown = JSON.parse(await readFile(path, 'utf8'));
      return isObject(value) ? (value as Value) : undefined;
    } catch (error) {
      if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }
}

/** The members of a line of metrics without which nothing can be shown of it. */
const numbersOfLine = ['step', 'rollouts', 'failed', 'failureReward', 'wallSeconds'] as const;
const objectsOfLine = ['reward', 'failures', 'failureKinds', 'idleShare', 'seconds'] as const;

/** Reads a line of metrics; undefined for a text that is none. */
function readLine(text: string): StepMetrics | undefined {
  try {
    const line: unknown = JSON.parse(text);
    if (!isObject(line)) return undefined;
    const isWhole =
      numbersOfLine.every((name) => typeof line[name] === 'number') &&
      objectsOfLine.every((name) => isObject(line[name]));
    return isWhole ? (line as unknown as StepMetrics) : undefined;
  } catch {
    return undefined;
  }
}

function isChart(value: unknown): value is MetricChart {
  return isObject(value) && typeof value['title'] === 'string' && Array.isArray(value['lines']);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
