import { check } from '@agent-lightning/core';
import { MemoryRecords } from './memory-records.ts';
import { storeOptionNames, type StoreOptions } from './store-options.ts';
import { RecordStore } from './record-store.ts';
import type { Awaitable, RecordDatabase, RecordReader, RecordWriter } from './records.ts';

/** Keeps everything in this process's memory, gone when it ends: the reference store, for tests and throwaway runs. */
export class MemoryStore extends RecordStore {
  constructor(options: StoreOptions = {}) {
    check.knownOptions('MemoryStore', options, storeOptionNames);
    super(new MemoryDatabase(), options);
  }
}

/** Runs one piece of work at a time. The rules decide before they write, so that a rejected write has changed nothing. */
class MemoryDatabase implements RecordDatabase {
  readonly #records: MemoryRecords = new MemoryRecords();
  #last: Promise<unknown> = Promise.resolve();

  read<Reply>(work: (records: RecordReader) => Awaitable<Reply>): Promise<Reply> {
    return this.write(work);
  }

  write<Reply>(work: (records: RecordWriter) => Awaitable<Reply>): Promise<Reply> {
    // The reply is a copy: a caller that changes what it got does not change the store.
    const reply = this.#last.then(async () => structuredClone(await work(this.#records)));
    this.#last = reply.catch(() => undefined);
    return reply;
  }

  async close(): Promise<void> {
    await this.#last;
  }
}
