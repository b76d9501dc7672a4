/** The caller's side of the store's thread: operations with replies, and one end for all when the thread dies. */
import { existsSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { StoreError } from '@agent-lightning/core';
import { storeClosed, type OperationName, type OperationReply, type Operations } from '@agent-lightning/store';
import type { SqliteOperationsOptions } from '../sqlite-operations.ts';
import { lendFunctions } from './caller-functions.ts';
import { reviveError, type CarriedError } from './carried-errors.ts';
import { openingId, type CallMessage, type FromThread, type ThreadStart, type ToThread } from './thread-protocol.ts';

interface Pending {
  readonly signal: AbortSignal | undefined;
  readonly resolve: (reply: unknown) => void;
  readonly reject: (error: unknown) => void;
}

// A bundle in CommonJS has no import.meta.url.
const here: string | undefined = import.meta.url;
const isSource = here?.endsWith('.ts') === true;
const entry: URL | undefined =
  here === undefined ? undefined : new URL(isSource ? './thread-entry.ts' : './thread-entry.js', here);
// No flags of the process: the thread needs none, and some of them (--input-type, --import) would break it or slow its start.
const execArgv: string[] = isSource ? ['--conditions=@agent-lightning/source'] : [];

/** Carries out operations in a thread of their own, where waits for the disk hold up nobody. */
export class StoreThread implements Operations {
  readonly #opened: Promise<unknown>;
  readonly #worker: Worker;
  readonly #path: string;
  readonly #pending: Map<number, Pending> = new Map();
  #nextId: number = openingId + 1;
  /** Says why there are no more calls. */
  #end: StoreError | undefined;
  #closing: Promise<void> | undefined;

  /** Starts the thread, which opens the file. @throws as `openSqliteOperations`, and `store-unavailable` when the thread does not start */
  static async open(options: SqliteOperationsOptions): Promise<StoreThread> {
    const thread = new StoreThread(options);
    await thread.#opened;
    return thread;
  }

  private constructor(given: SqliteOperationsOptions) {
    const { now: _now, generateId: _generateId, ...options } = given;
    const functions = lendFunctions(given);
    this.#path = options.path;
    if (entry === undefined || !existsSync(entry)) throw notStarted(this.#path, 'its file is not there');
    this.#worker = new Worker(entry, {
      name: 'store-sqlite',
      execArgv,
      workerData: { options, functions } satisfies ThreadStart,
      transferList: functions === undefined ? [] : [functions.port],
    });
    this.#worker.on('message', (message: FromThread) => this.#receive(message));
    this.#worker.on('messageerror', (cause) => this.#die(cause.message, cause));
    this.#worker.on('error', (cause: Error) => this.#die(cause.message, cause));
    this.#worker.on('exit', (code) => this.#die(`it exited with code ${code}`));
    this.#opened = this.#wait(openingId, undefined);
  }

  /** Runs an operation in the thread. The arguments are cloned and sent before this returns its promise. The signal stays on this side. */
  async call<Name extends OperationName>(
    name: Name,
    checked: readonly unknown[],
    signal?: AbortSignal,
  ): Promise<OperationReply<Name>> {
    return (await this.#send(name, checked, signal)) as OperationReply<Name>;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const isDead = this.#end !== undefined;
    const closed = isDead ? undefined : this.#send('close', [], undefined);
    this.#end = storeClosed();
    try {
      await closed;
    } finally {
      await this.#worker.terminate();
    }
  }

  async #send(name: CallMessage['name'], args: readonly unknown[], signal: AbortSignal | undefined): Promise<unknown> {
    if (this.#end !== undefined) throw this.#end;
    const id = this.#nextId++;
    this.#post({ kind: 'call', id, name, args });
    return this.#wait(id, signal);
  }

  async #wait(id: number, signal: AbortSignal | undefined): Promise<unknown> {
    const abort = (): void => this.#post({ kind: 'abort', id });
    if (signal?.aborted === true) abort();
    else signal?.addEventListener('abort', abort, { once: true });
    try {
      return await new Promise((resolve, reject) => {
        this.#pending.set(id, { signal, resolve, reject });
        this.#hold();
      });
    } finally {
      signal?.removeEventListener('abort', abort);
      this.#pending.delete(id);
      this.#hold();
    }
  }

  #post(message: ToThread): void {
    this.#worker.postMessage(message);
  }

  #receive(message: FromThread): void {
    const pending = this.#pending.get(message.id);
    if (message.kind === 'done') pending?.resolve(message.reply);
    else pending?.reject(reviveError(withReason(message.error, pending.signal)));
  }

  /** Keeps the process alive exactly while someone waits for an answer. */
  #hold(): void {
    if (this.#pending.size > 0) this.#worker.ref();
    else this.#worker.unref();
  }

  #die(why: string, cause?: unknown): void {
    const isOpening = this.#pending.has(openingId);
    const died = `the thread of the store ${this.#path} died: ${why}; what it acknowledged is kept, open the store again to go on`;
    const error = isOpening
      ? notStarted(this.#path, why, cause)
      : new StoreError(died, { code: 'store-unavailable', cause });
    this.#end ??= error;
    for (const pending of this.#pending.values()) pending.reject(error);
    void this.#worker.terminate(); // after an unreadable message it still runs
  }
}

function notStarted(path: string, why: string, cause?: unknown): StoreError {
  return new StoreError(
    `the thread of the store ${path} did not start: ${why}; where its file cannot be loaded, as from a bundle, open the store with thread: false`,
    { code: 'store-unavailable', cause },
  );
}

/** Gives a wait that was cancelled its reason; the reason need not be data, and has not left this side. */
function withReason(error: CarriedError, signal: AbortSignal | undefined): CarriedError {
  if ('foreign' in error || error.code !== 'cancelled' || signal?.aborted !== true) return error;
  return { ...error, cause: { foreign: signal.reason as unknown } };
}
