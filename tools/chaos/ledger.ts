import { closeSync, openSync, readSync, writeSync } from 'node:fs';

/** What a worker writes down after the store has acknowledged a write, and not before. */
export type Entry =
  | { readonly type: 'ready' }
  | { readonly type: 'enqueued' | 'cancelled'; readonly rolloutId: string }
  | { readonly type: 'claimed'; readonly rolloutId: string; readonly attemptId: string; readonly fencingToken: number }
  | {
      readonly type: 'appended';
      readonly rolloutId: string;
      readonly attemptId: string;
      readonly spans: Readonly<Record<string, number>>;
    }
  | { readonly type: 'rewarded'; readonly rolloutId: string; readonly spanId: string; readonly sequenceId: number }
  | { readonly type: 'completed' | 'failed' | 'fenced'; readonly rolloutId: string; readonly attemptId: string }
  | { readonly type: 'broken'; readonly message: string };

/** Appends entries to a file of this worker. A finished system call outlives SIGKILL, so nothing here is buffered. */
export class LedgerWriter {
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, 'a');
  }

  write(entry: Entry): void {
    writeSync(this.#file, `${JSON.stringify(entry)}\n`);
  }
}

/** Reads what was added since the last time; a line that was cut off by a kill waits for its end and never counts. */
export class LedgerReader {
  readonly #path: string;
  #position: number = 0;
  #rest: string = '';

  constructor(path: string) {
    this.#path = path;
  }

  readNew(): readonly Entry[] {
    let file: number;
    try {
      file = openSync(this.#path, 'r');
    } catch {
      return []; // the worker was killed before its first entry
    }
    const chunk = Buffer.alloc(1 << 20);
    for (let read: number; (read = readSync(file, chunk, 0, chunk.length, this.#position)) > 0; this.#position += read)
      this.#rest += chunk.toString('latin1', 0, read);
    closeSync(file);
    const lines = this.#rest.split('\n');
    this.#rest = lines.pop() ?? '';
    return lines.map((line) => JSON.parse(line) as Entry);
  }
}
