import type { LightningStore, Rollout, Span } from '@agent-lightning/core';

/** The most rollouts of one store query, which lists their ids. */
const queryChunk = 1_000;

/** Reads the spans of the newest attempts of these rollouts, without tokens: in the order of the rollouts, then of their sequence ids. */
export async function readSpans(store: LightningStore, rollouts: readonly Rollout[]): Promise<readonly Span[]> {
  const chunks: (readonly Span[])[] = [];
  for (let first = 0; first < rollouts.length; first += queryChunk) {
    const rolloutIds = rollouts.slice(first, first + queryChunk).map(({ rolloutId }) => rolloutId);
    chunks.push(await store.querySpans({ rolloutIds, attemptId: 'latest' }));
  }
  return chunks.flat();
}
