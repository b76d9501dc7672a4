import type { RolloutEntry, RolloutPage } from '../../../src/api.ts';
import { Repeater } from '../repeater.ts';

/** The rows of one request. */
export const pageSize = 100;
/** The pages that are kept; those that were read longest ago are forgotten. */
const keptPages = 40;

/** Reads one page from the server. */
export type ReadPage = (page: number, signal: AbortSignal) => Promise<RolloutPage>;

/** The rollouts that one filter selects, page by page as they are wanted. A page under way is asked for again only where the rollouts changed meanwhile. */
export class RolloutPages {
  readonly #readPage: ReadPage;
  readonly #onRead: () => void;
  readonly #pages = new Map<number, readonly RolloutEntry[]>();
  /** Each reads one page. */
  readonly #readers = new Map<number, Repeater>();
  #change: number;
  #wanted: readonly number[] = [0];
  #counts: Omit<RolloutPage, 'items'> | undefined;
  #error: string | undefined;

  /** @param change the number of the change after which the first pages are read @param onRead is called when a page or an error is there */
  constructor(readPage: ReadPage, onRead: () => void, change: number) {
    this.#readPage = readPage;
    this.#onRead = onRead;
    this.#change = change;
  }

  /** The newest counts; undefined before the first page is there. */
  get counts(): Omit<RolloutPage, 'items'> | undefined {
    return this.#counts;
  }

  /** The sentence that says why the newest page is not there. */
  get error(): string | undefined {
    return this.#error;
  }

  /** Returns a row, or undefined for one that is being read. */
  at(index: number): RolloutEntry | undefined {
    return this.#pages.get(Math.floor(index / pageSize))?.[index % pageSize];
  }

  /** Sees to it that these rows are read. */
  want(first: number, last: number): void {
    const from = Math.floor(first / pageSize);
    this.#wanted = Array.from({ length: Math.floor(last / pageSize) - from + 1 }, (_, index) => from + index);
    this.#readMissing();
  }

  /** Reads the wanted pages, again where the rollouts changed. What is not in the window is read again when it comes into it. */
  follow(change: number): void {
    if (change === this.#change) return this.#readMissing();
    this.#change = change;
    for (const page of this.#pages.keys()) if (!this.#wanted.includes(page)) this.#pages.delete(page);
    const underWay = [...this.#readers].flatMap(([page, { isWorking }]) => (isWorking ? [page] : []));
    for (const page of new Set([...this.#wanted, ...underWay])) this.#read(page);
  }

  /** Cuts off the pages under way; nothing more is read. */
  stop(): void {
    for (const reader of this.#readers.values()) reader.stop();
  }

  #readMissing(): void {
    for (const page of this.#wanted)
      if (!this.#pages.has(page) && this.#readers.get(page)?.isWorking !== true) this.#read(page);
  }

  #read(page: number): void {
    const reader = this.#readers.get(page) ?? new Repeater(async (signal) => await this.#load(page, signal));
    this.#readers.set(page, reader);
    reader.start();
  }

  async #load(page: number, signal: AbortSignal): Promise<void> {
    try {
      const { items, ...counts } = await this.#readPage(page, signal);
      if (signal.aborted) return;
      this.#keep(page, items);
      this.#counts = counts;
      this.#error = undefined;
    } catch (error) {
      if (signal.aborted) return;
      this.#error = error instanceof Error ? error.message : String(error);
    }
    this.#onRead();
  }

  #keep(page: number, items: readonly RolloutEntry[]): void {
    this.#pages.delete(page);
    this.#pages.set(page, items);
    for (const oldest of this.#pages.keys()) {
      if (this.#pages.size <= keptPages) break;
      this.#pages.delete(oldest);
    }
  }
}
