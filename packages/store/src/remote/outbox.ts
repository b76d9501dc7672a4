import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface OutboxOptions {
  /** The folder of the files; it is made when it is not there. */
  readonly directory: string;
  /** The most bytes of the files. A write beyond is not kept there, and waits in memory alone, for `outageMs`. @default 268_435_456 */
  readonly maxBytes?: number;
}

const ending = '.call.json';

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

  /** Reads what an earlier process left, the oldest first. What is no JSON, after a loss of power, is put aside as `.broken`. */
  readLeft(): readonly LeftCall[] {
    const names = readdirSync(this.#directory).filter((name) => name.endsWith(ending));
    return names.sort().flatMap((name) => {
      const path = join(this.#directory, name);
      const json = readFileSync(path, 'utf8');
      if (!isJson(json)) {
        renameSync(path, `${path}.broken`);
        return [];
      }
      this.#measure(path, Buffer.byteLength(json));
      return [{ path, json }];
    });
  }

  /** Keeps a write; returns its file, or undefined when there is no room for it: within `maxBytes`, or on the disk. */
  keep(json: string): string | undefined {
    const size = Buffer.byteLength(json);
    if (this.#bytes + size > this.#maxBytes) return undefined;
    const order = `${String(Date.now()).padStart(15, '0')}-${String(++this.#count).padStart(9, '0')}`;
    const path = join(this.#directory, `${order}-${process.pid}${ending}`);
    const partial = `${path}.partial`;
    try {
      // A process that is killed while it writes leaves no half of a call.
      writeFileSync(partial, json, { mode: 0o600 });
      renameSync(partial, path);
    } catch {
      rmSync(partial, { force: true });
      return undefined;
    }
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

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
