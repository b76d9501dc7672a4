import type { LightningStore } from '@agent-lightning/core';
import type { ExportedRollout } from '@agent-lightning/store';

/** Selects rollouts of a store. */
export type RolloutFilter = Omit<NonNullable<Parameters<LightningStore['queryRollouts']>[0]>, 'cursor' | 'limit'>;

const rolloutsPerPage = 100;

/** Yields the rollouts that a filter selects with their attempts and spans, in order of enqueueing, one page in memory at a time. */
export async function* readRollouts(
  store: Pick<LightningStore, 'queryRollouts' | 'queryAttempts' | 'querySpans'>,
  filter: RolloutFilter,
): AsyncGenerator<ExportedRollout, void, undefined> {
  let cursor: string | undefined;
  do {
    const page = await store.queryRollouts({
      ...filter,
      limit: rolloutsPerPage,
      ...(cursor !== undefined && { cursor }),
    });
    for (const rollout of page.items) {
      const { rolloutId } = rollout;
      yield {
        rollout,
        attempts: await store.queryAttempts(rolloutId),
        spans: await store.querySpans({ rolloutIds: [rolloutId], includeTokens: true }),
      };
    }
    cursor = page.nextCursor;
  } while (cursor !== undefined);
}

/** Writes a value as one line of JSON; arrays of tokens become lists of numbers. */
export function toJsonLine(value: unknown): string {
  const line = JSON.stringify(value, (_, each: unknown) =>
    each instanceof Int32Array || each instanceof Float32Array ? Array.from(each) : each,
  );
  return `${line}\n`;
}
