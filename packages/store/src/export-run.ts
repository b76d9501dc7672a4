import type { Attempt, Rollout, Span, LightningStore } from '@agent-lightning/core';
import type { Page, RolloutQuery } from './contract-types.ts';

/** Holds a rollout with all that the store keeps of it. */
export interface ExportedRollout {
  readonly rollout: Rollout;
  /** The attempts, in order of attempt number. */
  readonly attempts: readonly Attempt[];
  /** The spans of every attempt, with tokens, in order of sequence id. */
  readonly spans: readonly Span[];
}

type ReadableStore = Pick<LightningStore, 'queryRollouts' | 'queryAttempts' | 'querySpans'>;

const rolloutsPerPage = 100;

/** Yields a run's rollouts in order of enqueueing, one at a time: to archive it, or to move it, before `deleteRun`. */
export function exportRun(store: ReadableStore, runId: string): AsyncGenerator<ExportedRollout, void, undefined> {
  return exportRollouts(store, { runId });
}

/** Yields the rollouts that a query selects, in its order, one at a time; one page of rollouts is in memory. */
export async function* exportRollouts(
  store: ReadableStore,
  selection: Omit<RolloutQuery, 'cursor' | 'limit'>,
): AsyncGenerator<ExportedRollout, void, undefined> {
  let query: RolloutQuery | undefined = { ...selection, limit: rolloutsPerPage };
  while (query !== undefined) {
    const page: Page<Rollout> = await store.queryRollouts(query);
    for (const rollout of page.items) {
      const { rolloutId } = rollout;
      yield {
        rollout,
        attempts: await store.queryAttempts(rolloutId),
        spans: await store.querySpans({ rolloutIds: [rolloutId], includeTokens: true }),
      };
    }
    query =
      page.nextCursor === undefined ? undefined : { ...selection, limit: rolloutsPerPage, cursor: page.nextCursor };
  }
}
