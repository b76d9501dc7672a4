import { appendFile, mkdir, readdir, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { check } from '@agent-lightning/core';
import type { MetricPoint, MetricRun, MetricWriter } from '../metric-writer.ts';
import { encodeRecord } from './event-records.ts';

export interface TensorBoardOptions {
  /** The directory of the event files; what TensorBoard shows as one run. @default `tensorboard` in the run directory */
  readonly directory?: string;
}

/**
 * Writes metrics into event files, which `tensorboard --logdir` shows while the run goes on. A run that is resumed writes its file anew from the
 * steps that it has kept, so that no step is there twice.
 * @throws {ConfigurationError} `option-invalid`
 */
export function tensorBoard(options: TensorBoardOptions = {}): MetricWriter {
  check.knownOptions('tensorBoard', options, ['directory']);
  const { directory } = options;
  if (directory !== undefined && (typeof directory !== 'string' || directory === ''))
    throw check.optionInvalid('tensorBoard: directory', directory, 'the path of a directory');
  return new EventFiles(directory);
}

class EventFiles implements MetricWriter {
  readonly name = 'TensorBoard';
  readonly #given: string | undefined;
  #runId: string | undefined;
  #path = '';
  /** Counts the files of this process: after a failure, a new one is begun, for the last may end in half a record. */
  #files = 0;
  /** The newest step that was written, by name. */
  #written: Record<string, number> = {};

  constructor(directory: string | undefined) {
    this.#given = directory;
  }

  async begin({ runId, runDirectory }: MetricRun): Promise<Readonly<Record<string, number>>> {
    const directory = this.#given ?? join(runDirectory, 'tensorboard');
    const suffix = `.agent-lightning.${runId}`;
    await mkdir(directory, { recursive: true });
    if (this.#runId !== runId) {
      this.#written = {};
      for (const name of await readdir(directory)) if (name.endsWith(suffix)) await rm(join(directory, name));
    }
    const isFirst = this.#runId !== runId;
    this.#runId = runId;
    const seconds = String(Math.floor(Date.now() / 1_000)).padStart(10, '0');
    const host = hostname().replaceAll(/[^A-Za-z0-9-]/g, '-');
    this.#path = join(directory, `events.out.tfevents.${seconds}.${host}.${process.pid}.${this.#files++}${suffix}`);
    const now = { atMs: Date.now() };
    const head = [encodeRecord({ ...now, fileVersion: 'brain.Event:2' })];
    // A reader that has an earlier file of the run forgets its steps.
    if (isFirst) head.push(encodeRecord({ ...now, step: 0, isStart: true }));
    await appendFile(this.#path, Buffer.concat(head));
    return this.#written;
  }

  async write(points: readonly MetricPoint[]): Promise<void> {
    const records = points.map(({ step, atMs, values }) => encodeRecord({ atMs, step, scalars: values }));
    await appendFile(this.#path, Buffer.concat(records));
    for (const { step, values } of points) for (const name of Object.keys(values)) this.#written[name] = step;
  }

  async end(): Promise<void> {
    // Every record is in its file.
  }
}
