import type { LightningStore } from '@agent-lightning/core';
import { it } from 'vitest';

/** Options that the store must be opened with. */
export interface StoreSuiteOptions {
  /** The clock that the store must use; the suite sets it forward. */
  readonly now: () => number;
  /** The watchdog's interval: 0, since the suite runs the watchdog itself. */
  readonly watchdogIntervalMs: number;
  /** The number of events that the store must keep. */
  readonly keepEvents: number;
  /** How long the store must keep a rollout after its end. */
  readonly keepEndedMs: number;
}

/** A fresh, empty store, and what else can be tried on its kind. */
export interface StoreUnderTest {
  readonly store: LightningStore;
  /** Closes the store and opens the same data again, for durable stores. */
  readonly reopen?: () => Promise<LightningStore>;
  /** Opens the same data a second time, for stores that several processes share. */
  readonly openPeer?: () => Promise<LightningStore>;
  /** Removes what the test left, after the stores were closed. */
  readonly dispose?: () => Promise<void>;
}

export type OpenStore = (options: StoreSuiteOptions) => Promise<StoreUnderTest>;

/** The store and the clock of one test. */
export interface StoreTest {
  readonly store: LightningStore;
  readonly now: () => number;
  /** Sets the store's clock forward. */
  readonly advance: (milliseconds: number) => void;
  readonly reopen: (() => Promise<LightningStore>) | undefined;
  readonly openPeer: (() => Promise<LightningStore>) | undefined;
}

/** Longer than any test but the one on it sets its clock forward. */
export const keepEndedMs: number = 10 * 24 * 3_600_000;

/** The clock of every test starts here: any whole moment will do. */
const startMs: number = 1_800_000_000_000;

/** Runs one test on a store of its own, then closes it. */
export function testStore(
  title: string,
  open: OpenStore,
  run: (test: StoreTest) => Promise<void>,
  timeoutMs?: number,
): void {
  it(title, () => withStore(open, run), timeoutMs);
}

/** Opens a store, hands it to `run`, and closes all that was opened, whatever happens. */
export async function withStore(open: OpenStore, run: (test: StoreTest) => Promise<void>): Promise<void> {
  let nowMs = startMs;
  const under = await open({ now: () => nowMs, watchdogIntervalMs: 0, keepEvents: 1_000, keepEndedMs });
  const opened: LightningStore[] = [under.store];
  const remember = (again: (() => Promise<LightningStore>) | undefined): (() => Promise<LightningStore>) | undefined =>
    again &&
    (async () => {
      const store = await again();
      opened.push(store);
      return store;
    });
  try {
    await run({
      store: under.store,
      now: () => nowMs,
      advance: (milliseconds) => {
        nowMs += milliseconds;
      },
      reopen: remember(under.reopen),
      openPeer: remember(under.openPeer),
    });
  } finally {
    for (const store of opened) await store.close();
    await under.dispose?.();
  }
}
