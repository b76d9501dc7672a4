/** Runs the engine's worker threads: posts jobs and samples to them, passes on their answers, and fails everything when a worker dies. */
import { Worker } from 'node:worker_threads';
import { BackendError } from '@agent-lightning/core';
import { findOwnFile } from '@agent-lightning/platform';
import type { Failure } from '../kernels/engine-fault.ts';
import type { JobPiece, SampleJob } from '../sampling/sample-job.ts';
import type { FromWorker, Job, JobResults, ToWorker, WorkerStart } from './worker-protocol.ts';

interface PendingJob {
  resolve(result: JobResults[Job['kind']]): void;
  reject(error: BackendError): void;
}

/** Receives the pieces of one request, or its failure. */
export interface SampleListener {
  pieces(piece: JobPiece): void;
  failed(error: BackendError): void;
}

/** Returns the file that a worker thread begins with. @throws {ConfigurationError} `option-unsupported` in a bundle, which does not hold it */
function findEntry(): string {
  const here: string | undefined = import.meta.url;
  const name = here?.endsWith('.ts') === true ? './engine-worker.ts' : './engine-worker.js';
  return findOwnFile(here, name, '@agent-lightning/embedded');
}

/** The worker threads of one engine. */
export class WorkerPool {
  readonly #workers: Worker[];
  readonly #jobs = new Map<number, PendingJob>();
  readonly #samples = new Map<number, SampleListener>();
  #nextJob = 0;
  #end: BackendError | undefined;

  constructor(starts: readonly WorkerStart[]) {
    const entry = findEntry();
    this.#workers = starts.map((workerData) => {
      // No flags of the process: the worker needs none, and some of them (--input-type, --import) would break it or slow its start.
      const worker = new Worker(entry, { workerData, name: `embedded-engine-${workerData.thread}`, execArgv: [] });
      worker.on('message', (message: FromWorker) => this.#receive(message));
      worker.on('error', (cause) => this.#fail(cause.message, cause));
      worker.on('exit', (code) => this.#fail(`it exited with code ${code}`));
      worker.unref(); // an idle engine keeps no process alive
      return worker;
    });
  }

  get threads(): number {
    return this.#workers.length;
  }

  /** Runs `jobs[i]` on worker i. */
  async run<Kind extends Job['kind']>(jobs: readonly Extract<Job, { kind: Kind }>[]): Promise<JobResults[Kind][]> {
    return (await Promise.all(jobs.map((job, thread) => this.#post(thread, job)))) as JobResults[Kind][];
  }

  /** Runs one job on every worker. */
  async runAll<Kind extends Job['kind']>(job: Extract<Job, { kind: Kind }>): Promise<JobResults[Kind][]> {
    return await this.run<Kind>(this.#workers.map(() => job));
  }

  listen(sample: number, listener: SampleListener): void {
    this.#assertAlive();
    this.#samples.set(sample, listener);
    this.#updateReferences();
  }

  unlisten(sample: number): void {
    this.#samples.delete(sample);
    this.#updateReferences();
  }

  sample(thread: number, job: SampleJob): void {
    this.#send(thread, job);
  }

  /** Posts a message to every worker. */
  broadcast(message: Extract<ToWorker, { kind: 'abort' | 'forget' }>): void {
    if (this.#end) return;
    for (const thread of this.#workers.keys()) this.#send(thread, message);
  }

  async close(): Promise<void> {
    this.#stop(new BackendError('The embedded engine is closed.', { code: 'backend-closed' }));
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  #post(thread: number, job: Job): Promise<JobResults[Job['kind']]> {
    this.#assertAlive();
    const id = this.#nextJob++;
    return new Promise((resolve, reject) => {
      this.#jobs.set(id, { resolve, reject });
      this.#updateReferences();
      this.#send(thread, { kind: 'job', id, job });
    });
  }

  #send(thread: number, message: ToWorker): void {
    this.#workers[thread]!.postMessage(message);
  }

  #receive(message: FromWorker): void {
    switch (message.kind) {
      case 'pieces':
        for (const piece of message.pieces) this.#samples.get(piece.sample)?.pieces(piece);
        return;
      case 'sample-failed':
        this.#samples.get(message.sample)?.failed(toError(message.failure));
        return;
      case 'done':
      case 'failed': {
        const pending = this.#jobs.get(message.id);
        this.#jobs.delete(message.id);
        this.#updateReferences();
        if (message.kind === 'done') pending?.resolve(message.result);
        else pending?.reject(toError(message.failure));
      }
    }
  }

  /** Keeps the process alive while a caller waits for an answer, and only then. */
  #updateReferences(): void {
    const isWaiting = this.#jobs.size + this.#samples.size > 0;
    for (const worker of this.#workers) {
      if (isWaiting) worker.ref();
      else worker.unref();
    }
  }

  #assertAlive(): void {
    if (this.#end) throw this.#end;
  }

  #fail(why: string, cause?: unknown): void {
    if (this.#end) return;
    this.#stop(
      new BackendError(
        `A worker thread of the embedded engine died: ${why}. Create a new engine from the last checkpoint.`,
        { code: 'backend-failed', cause },
      ),
    );
    for (const worker of this.#workers) void worker.terminate();
  }

  #stop(error: BackendError): void {
    if (this.#end) return;
    this.#end = error;
    for (const pending of this.#jobs.values()) pending.reject(error);
    for (const listener of this.#samples.values()) listener.failed(error);
    this.#jobs.clear();
    this.#samples.clear();
  }
}

function toError({ code, message }: Failure): BackendError {
  return new BackendError(message, { code });
}
