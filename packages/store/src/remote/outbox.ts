import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface OutboxOptions {
  /** The folder of the files; it is made when it is not there. */
  readonly directory: string;
  /** The most bytes of the files. A write beyond is not kept there, and waits in memory alone, for `outageMs`. @default 268_435_456 */
  readonly maxBytes?: number;
}

/** A write that an earlier process could not deliver. */
export interface LeftCall {
  readonly path: string;
  readonly json: string;
}

/**
 * Keeps writes that could not be delivered in files, so that they outlive this process; they are not synced to the disk one by one, so
 * that the last ones may be gone after a loss of power.
 */
export class Outbox {
  readonly #directory: string;
  readonly #maxBytes: number;
  readonly #sizes: Map<string, number> = new Map();
  #bytes: number = 0;
  #count: number = 0;

  constructor({ directory, maxBytes = 268_435_456 }: OutboxOptions) {
    this.#directory = directory;
    this.#maxBytes = maxBytes;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  }

  /** Reads what an earlier process left, the oldest first. */
  readLeft(): readonly LeftCall[] {
    const names = readdirSync(this.#directory).filter((name) => name.endsWith('.call.json'));
    return names.sort().map((name) => {
      const path = join(this.#directory, name);
      this.#measure(path, statSync(path).size);
      return { path, json: readFileSync(path, 'utf8') };
    });
  }

  /** Keeps a write; returns its file, or undefined when there is no room for it. */
  keep(json: string): string | undefined {
    const size = Buffer.byteLength(json);
    if (this.#bytes + size > this.#maxBytes) return undefined;
    const order = `${String(Date.now()).padStart(15, '0')}-${String(++this.#count).padStart(9, '0')}`;
    const path = join(this.#directory, `${order}-${process.pid}.call.json`);
    writeFileSync(path, json, { mode: 0o600 });
    this.#measure(path, size);
    return path;
  }

  /** Removes a write that was delivered, or that the server refused for good. */
  remove(path: string): void {
    rmSync(path, { force: true });
    this.#bytes -= this.#sizes.get(path) ?? 0;
    this.#sizes.delete(path);
  }

  #measure(path: string, size: number): void {
    this.#sizes.set(path, size);
    this.#bytes += size;
  }
}
