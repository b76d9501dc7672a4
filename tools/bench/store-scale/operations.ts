import type { Claim, LightningStore, SpanInput } from '@agent-lightning/core';

/** Holds the milliseconds of one operation's calls, in ascending order. */
export interface Latency {
  readonly medianMs: number;
  readonly p99Ms: number;
}

const spansPerRollout = 10;
/** Longer than the whole measurement on a busy machine. */
const leaseMs = 3_600_000;

/** Runs rollouts of ten small spans to their end, as the ones that are copied to fill a store. */
export async function finishRollouts(store: LightningStore, count: number): Promise<void> {
  await store.enqueue(
    Array.from({ length: count }, (_, index) => ({ input: { question: index }, runId: `run-${index % 10}` })),
  );
  for (const claim of await store.claim({ workerId: 'worker', limit: count, leaseMs })) {
    await store.appendSpans(claim.lease, smallSpans());
    await store.complete(claim.lease);
  }
}

/** Measures each operation of the hot path `calls` times, one after the other, in a store that holds what it holds. */
export async function measureOperations(store: LightningStore, calls: number): Promise<Record<string, Latency>> {
  const claims: Claim[] = [];
  const numbers = Array.from({ length: calls }, (_, index) => index);
  const measure = (operation: (index: number) => Promise<unknown>): Promise<Latency> => timeEach(numbers, operation);
  const claimed = (index: number): Claim => claims[index] as Claim;
  const before = await store.statistics();
  const begunMs = Date.now();
  const { nextCursor } = await store.queryRollouts({ runId: 'run-5', limit: 100, order: 'desc' });
  return {
    enqueue: await measure((index) => store.enqueue([{ rolloutId: `new-${index}`, input: index, runId: 'new' }])),
    claim: await measure(async () => claims.push(...(await store.claim({ workerId: 'worker', leaseMs })))),
    append: await measure((index) => store.appendSpans(claimed(index).lease, smallSpans())),
    heartbeat: await measure((index) => store.heartbeat(claimed(index).lease)),
    complete: await measure((index) => store.complete(claimed(index).lease)),
    wait: await measure((index) => store.waitFor([claimed(index).rollout.rolloutId], { timeoutMs: 1_000 })),
    query: await measure((index) => store.queryRollouts({ rolloutIds: [`new-${index}`] })),
    spans: await measure((index) => store.querySpans({ rolloutIds: [`new-${index}`] })),
    page: await measure(() =>
      store.queryRollouts({
        runId: 'run-5',
        limit: 100,
        order: 'desc',
        ...(nextCursor === undefined ? {} : { cursor: nextCursor }),
      }),
    ),
    ended: await measure(async () => {
      const { items } = await store.queryRollouts({ endedSinceMs: begunMs, limit: 100 });
      if (items.length !== Math.min(calls, 100)) throw new Error(`${items.length} rollouts ended lately, not ${calls}`);
    }),
    statistics: await measure(async () => {
      const { rollouts } = await store.statistics();
      if (rollouts.succeeded !== before.rollouts.succeeded + calls)
        throw new Error(
          `the store counts ${rollouts.succeeded} rollouts that succeeded, not ${before.rollouts.succeeded + calls}`,
        );
    }),
    watchdog: await measure(() => store.runWatchdog()),
  };
}

async function timeEach(numbers: readonly number[], operation: (index: number) => Promise<unknown>): Promise<Latency> {
  const times: number[] = [];
  for (const index of numbers) {
    const startMs = performance.now();
    await operation(index);
    times.push(performance.now() - startMs);
  }
  times.sort((left, right) => left - right);
  const at = (share: number): number => round(times[Math.min(times.length - 1, Math.floor(share * times.length))] ?? 0);
  return { medianMs: at(0.5), p99Ms: at(0.99) };
}

function smallSpans(): readonly SpanInput[] {
  return Array.from({ length: spansPerRollout }, (_, index) => ({
    spanId: (index + 1).toString(16).padStart(16, '0'),
    traceId: 'f'.repeat(32),
    kind: 'tool_call',
    name: 'search',
    status: { code: 'ok' },
    startTimeMs: 1,
    endTimeMs: 2,
    attributes: { query: 'how many singers are there' },
  }));
}

function round(value: number): number {
  return Math.round(1_000 * value) / 1_000;
}
