import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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

  /**
   * Reads what an earlier process left, the oldest first. What is no JSON, since a process was killed while it wrote, is put aside as
   * `.broken`. Another process may work with the folder: what it delivers meanwhile, or still writes, is left out. What both
   * deliver changes nothing the second time.
   */
  readLeft(): readonly LeftCall[] {
    const names = readdirSync(this.#directory).filter((name) => name.endsWith(ending));
    return names.sort().flatMap((name) => {
      const path = join(this.#directory, name);
      const json = readIfThere(path);
      if (json === undefined) return [];
      if (!isJson(json)) {
        if (isOfOtherProcess(name)) return [];
        writeFileSync(`${path}.broken`, json, { mode: 0o600 });
        rmSync(path, { force: true });
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
    try {
      writeFileSync(path, json, { mode: 0o600 });
    } catch {
      rmSync(path, { force: true });
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

/** Returns undefined for a file that is gone: another process delivered it. */
function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Tells whether a file is of another process that lives on this machine. */
function isOfOtherProcess(name: string): boolean {
  const pid = Number(/-(\d+)\.call\.json$/u.exec(name)?.[1] ?? process.pid);
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
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
