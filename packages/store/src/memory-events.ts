import type { StoreEvent } from '@agent-lightning/core';
import type { NewStoreEvent } from './records.ts';
import { readEventCursor } from './store-errors.ts';

/** Keeps the events of a `MemoryStore`, numbered from 1. */
export class MemoryEvents {
  #events: StoreEvent[] = [];
  #last: number = 0;
  #removed: number = 0;

  get last(): number {
    return this.#last;
  }

  append(events: readonly NewStoreEvent[]): void {
    for (const event of events) this.#events.push({ cursor: String(++this.#last), ...event });
  }

  read(cursor: string, limit: number): readonly StoreEvent[] {
    const after = readEventCursor(cursor, this.#removed);
    // Cursors ascend and are nearly dense, so that the distance from the end bounds where to look.
    const from = Math.max(0, this.#events.length - Math.max(0, this.#last - after));
    return this.#events
      .slice(from)
      .filter((event) => Number(event.cursor) > after)
      .slice(0, limit);
  }

  /** Removes all but the newest `keep` cursors' events. */
  trim(keep: number): void {
    const removed = this.#last - keep;
    if (removed <= this.#removed) return;
    this.#removed = removed;
    this.#events = this.#events.filter((event) => Number(event.cursor) > removed);
  }

  removeRollouts(rolloutIds: ReadonlySet<string>): void {
    this.#events = this.#events.filter((event) => event.type !== 'rollout' || !rolloutIds.has(event.id));
  }
}
