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

const rolloutsPerPage = 100;

/** Yields a run's rollouts in order of enqueueing, one at a time: to archive it, or to move it, before `deleteRun`. */
export async function* exportRun(
  store: Pick<LightningStore, 'queryRollouts' | 'queryAttempts' | 'querySpans'>,
  runId: string,
): AsyncGenerator<ExportedRollout, void, undefined> {
  let query: RolloutQuery | undefined = { runId, limit: rolloutsPerPage };
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
    query = page.nextCursor === undefined ? undefined : { runId, limit: rolloutsPerPage, cursor: page.nextCursor };
  }
}
