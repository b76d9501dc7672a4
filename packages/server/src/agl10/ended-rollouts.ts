import type { LightningStore, Rollout } from '@agent-lightning/core';
import { KeyedTurns } from '../keyed-turns.ts';

/** A part of the order of ended rollouts. */
export interface EndedPage {
  /** The rollouts that the store still has. */
  readonly rollouts: readonly Rollout[];
  /** The place after the last one. */
  readonly nextPlace: number;
  /** How many ended in all. */
  readonly total: number;
}

const final: readonly Rollout['status'][] = ['succeeded', 'failed', 'cancelled'];
/** The most rollouts of one page of our store. */
const mostListed = 10_000;
/** How much earlier than the newest end a new one may be stamped: the clocks of processes differ, and writes take time. */
const settleMs = 60_000;
/** So often all are read, for those that clocks further apart have hidden. */
const readAllMs = 300_000;
/** How many of the oldest ids are looked at for deleted ones at each read, besides two for each that is new. */
const looksBack = 100;

/**
 * The order in which rollouts were first seen final; it holds until the server ends. The store is read whole once, then only what ended since,
 * and all again now and then. Ids whose rollouts the store has no more are forgotten; the others keep their places.
 */
export class EndedRollouts {
  readonly #store: LightningStore;
  readonly #includes: (rollout: Rollout) => boolean;
  readonly #clock: () => number;
  readonly #ids: string[] = [];
  readonly #known: Set<string> = new Set();
  /** How many ids were before the first one of `#ids`. */
  #forgotten = 0;
  /** The newest end that was seen; 0 before the first. */
  #newestEndMs = 0;
  #readAllAtMs = -Infinity;
  readonly #turns = new KeyedTurns();

  /** @param includes tells which final rollouts have a place @param clock milliseconds that only grow */
  constructor(
    store: LightningStore,
    includes: (rollout: Rollout) => boolean,
    clock: () => number = () => performance.now(),
  ) {
    this.#store = store;
    this.#includes = includes;
    this.#clock = clock;
  }

  /** Returns the rollouts from a place on. */
  async page(place: number, limit: number): Promise<EndedPage> {
    await this.#turns.run('read', () => this.#read());
    const start = Math.max(place, this.#forgotten);
    const first = start - this.#forgotten;
    const ids = this.#ids.slice(first, first + Math.min(limit, mostListed));
    const found = await this.#find(ids);
    return {
      rollouts: ids.flatMap((id) => found.get(id) ?? []),
      nextPlace: start + ids.length,
      total: this.#forgotten + this.#ids.length,
    };
  }

  async #read(): Promise<void> {
    const now = this.#clock();
    const readsAll = this.#newestEndMs === 0 || now - this.#readAllAtMs >= readAllMs;
    const which = readsAll ? { statuses: final } : { endedSinceMs: Math.max(0, this.#newestEndMs - settleMs) };
    const added: { readonly id: string; readonly endedAtMs: number }[] = [];
    let newestEndMs = this.#newestEndMs;
    let cursor: string | undefined;
    do {
      const page = await this.#store.queryRollouts({ ...which, limit: mostListed, ...(cursor && { cursor }) });
      for (const rollout of page.items) {
        const { rolloutId: id, endedAtMs = 0 } = rollout;
        newestEndMs = Math.max(newestEndMs, endedAtMs);
        if (!this.#known.has(id) && this.#includes(rollout)) added.push({ id, endedAtMs });
      }
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    await this.#forgetDeleted(looksBack + 2 * added.length);
    // From here on nothing can fail: what was read is either all taken in, or is read again.
    for (const { id } of added.toSorted((a, b) => a.endedAtMs - b.endedAtMs)) {
      this.#ids.push(id);
      this.#known.add(id);
    }
    this.#newestEndMs = newestEndMs;
    if (readsAll) this.#readAllAtMs = now;
  }

  /** Forgets ids at the front whose rollouts the store has no more; looks at no more than so many that it still has. */
  async #forgetDeleted(most: number): Promise<void> {
    for (;;) {
      const oldest = this.#ids.slice(0, Math.min(most, mostListed));
      const found = await this.#find(oldest);
      const firstKept = oldest.findIndex((id) => found.has(id));
      const deleted = this.#ids.splice(0, firstKept === -1 ? oldest.length : firstKept);
      for (const id of deleted) this.#known.delete(id);
      this.#forgotten += deleted.length;
      if (oldest.length === 0 || firstKept !== -1) return;
    }
  }

  async #find(rolloutIds: readonly string[]): Promise<ReadonlyMap<string, Rollout>> {
    if (rolloutIds.length === 0) return new Map();
    const { items } = await this.#store.queryRollouts({ rolloutIds, limit: mostListed });
    return new Map(items.map((rollout) => [rollout.rolloutId, rollout]));
  }
}
