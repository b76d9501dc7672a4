import { MemoryRows } from './memory-rows.ts';
import type { RowStoreOptions } from './row-store-options.ts';
import { RowStore } from './row-store.ts';
import type { Awaitable, RowDatabase, RowReader, RowWriter } from './rows.ts';

/** The reference store: everything in this process's memory, gone when it ends. For tests and throwaway runs. */
export class MemoryStore extends RowStore {
  constructor(options: RowStoreOptions = {}) {
    super(new MemoryDatabase(), options);
  }
}

/** Runs one piece of work at a time. The rules decide before they write, so that a rejected write has changed nothing. */
class MemoryDatabase implements RowDatabase {
  readonly #rows: MemoryRows = new MemoryRows();
  #last: Promise<unknown> = Promise.resolve();

  read<Reply>(work: (rows: RowReader) => Awaitable<Reply>): Promise<Reply> {
    return this.write(work);
  }

  write<Reply>(work: (rows: RowWriter) => Awaitable<Reply>): Promise<Reply> {
    // The reply is a copy: a caller that changes what it got does not change the store.
    const reply = this.#last.then(async () => structuredClone(await work(this.#rows)));
    this.#last = reply.catch(() => undefined);
    return reply;
  }

  async close(): Promise<void> {
    await this.#last;
  }
}
