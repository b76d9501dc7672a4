import type { LightningStore } from '@agent-lightning/core';
import { openSqliteStore } from '@agent-lightning/store-sqlite';

/** A store that can be opened from several processes, and told apart on the command line. */
export interface StoreTarget {
  readonly store: 'sqlite';
  readonly durability: 'full' | 'normal';
  /** Where this target keeps its data. */
  readonly location: string;
}

export interface OpenedTarget {
  readonly store: LightningStore;
  /** What is wrong with the data itself; empty when it is sound. */
  readonly checkIntegrity: () => Promise<readonly string[]>;
}

export async function openTarget(target: StoreTarget, watchdogIntervalMs: number): Promise<OpenedTarget> {
  const store = await openSqliteStore({
    path: target.location,
    durability: target.durability,
    watchdogIntervalMs,
    busyTimeoutMs: 20_000,
  });
  return { store, checkIntegrity: () => store.checkIntegrity() };
}
