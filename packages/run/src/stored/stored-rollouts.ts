import { existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { check, type LightningStore, type Rollout, type Span } from '@agent-lightning/core';
import { openSqliteStore } from '@agent-lightning/store-sqlite';

/** Selects rollouts that ran before. */
export interface StoredRolloutsOptions {
  /** A store, which stays open, or the path of a run directory or of a SQLite file. */
  readonly store: LightningStore | string;
  /** Only rollouts of this run. @default of every run */
  readonly runId?: string;
  /** Only rollouts of these modes. @default all */
  readonly modes?: readonly Rollout['mode'][];
  /** The option that the place was given as, for messages. */
  readonly owner: string;
}

/** A rollout that ended, and the spans of its newest attempt, tokens included. */
export interface StoredRun {
  readonly rollout: Rollout;
  readonly spans: readonly Span[];
}

const rolloutsPerPage = 100;

/**
 * Yields rollouts that ended, in the order in which they were queued, one page in memory at a time.
 * @throws {ConfigurationError} `option-invalid` for a path without a store
 */
export async function* readStoredRollouts(options: StoredRolloutsOptions): AsyncGenerator<StoredRun, void, undefined> {
  const { store: place, owner } = options;
  const opened = typeof place === 'string' ? await openAt(place, owner) : undefined;
  const store = opened ?? (place as LightningStore);
  try {
    yield* readPages(store, options);
  } finally {
    await opened?.close();
  }
}

async function openAt(path: string, owner: string): Promise<LightningStore> {
  const given = resolve(path);
  const file = existsSync(given) && statSync(given).isDirectory() ? join(given, 'store.sqlite') : given;
  if (!existsSync(file)) throw check.optionInvalid(owner, path, 'a run directory, or the path of a SQLite store');
  // Leases in it are of the processes that work with it.
  return await openSqliteStore({ path: file, watchdogIntervalMs: 0 });
}

async function* readPages(
  store: LightningStore,
  { runId, modes }: StoredRolloutsOptions,
): AsyncGenerator<StoredRun, void, undefined> {
  let cursor: string | undefined;
  do {
    const page = await store.queryRollouts({
      statuses: ['succeeded', 'failed'],
      limit: rolloutsPerPage,
      ...(runId !== undefined && { runId }),
      ...(modes !== undefined && { modes }),
      ...(cursor !== undefined && { cursor }),
    });
    const rolloutIds = page.items.map(({ rolloutId }) => rolloutId);
    const spans =
      rolloutIds.length === 0 ? [] : await store.querySpans({ rolloutIds, attemptId: 'latest', includeTokens: true });
    const byRollout = Map.groupBy(spans, ({ rolloutId }) => rolloutId);
    for (const rollout of page.items) yield { rollout, spans: byRollout.get(rollout.rolloutId) ?? [] };
    cursor = page.nextCursor;
  } while (cursor !== undefined);
}
