import type { LightningStore } from '@agent-lightning/core';
import { openPostgresStore } from '@agent-lightning/store-postgres';
import { openSqliteStore } from '@agent-lightning/store-sqlite';

/** A store that can be opened from several processes, and told apart on the command line. */
export type StoreTarget =
  | {
      readonly store: 'sqlite';
      readonly durability: 'full' | 'normal';
      readonly path: string;
    }
  | {
      readonly store: 'postgres';
      readonly url: string;
      readonly schema: string;
    };

/** What is under attack, before it has a place. */
export type TargetKind =
  | Omit<Extract<StoreTarget, { store: 'sqlite' }>, 'path'>
  | Omit<Extract<StoreTarget, { store: 'postgres' }>, 'schema'>;

export interface OpenedTarget {
  readonly store: LightningStore;
  /** What is wrong with the data itself; empty when it is sound. */
  readonly checkIntegrity: () => Promise<readonly string[]>;
}

export async function openTarget(target: StoreTarget, watchdogIntervalMs: number): Promise<OpenedTarget> {
  const store =
    target.store === 'sqlite'
      ? await openSqliteStore({
          path: target.path,
          durability: target.durability,
          watchdogIntervalMs,
          busyTimeoutMs: 20_000,
        })
      : await openPostgresStore({
          connection: target.url,
          schema: target.schema,
          maxConnections: 4,
          reconnectMs: 20_000,
          watchdogIntervalMs,
        });
  return { store, checkIntegrity: () => store.checkIntegrity() };
}
