import type { LightningStore } from '@agent-lightning/core';

export interface ClaimOptions {
  readonly queued: number;
  readonly workers: number;
  /** Claims to measure; the rest stays queued. */
  readonly claims: number;
}

export interface ClaimResult {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly claimsPerSecond: number;
  readonly duplicateClaims: number;
}

const rolloutsPerCall = 10_000;

/** Claim latency with many workers on a long queue: each claims one rollout at a time, as fast as it is answered. */
export async function measureClaims(
  store: LightningStore,
  { queued, workers, claims }: ClaimOptions,
): Promise<ClaimResult> {
  for (let left = queued; left > 0; left -= rolloutsPerCall) {
    await store.enqueue(Array.from({ length: Math.min(left, rolloutsPerCall) }, () => ({ input: 1 })));
  }
  const latencies: number[] = [];
  const seen = new Set<string>();
  let asked = 0;
  const startMs = performance.now();
  await Promise.all(
    Array.from({ length: workers }, async (_, index) => {
      while (asked < claims) {
        asked++;
        const claimMs = performance.now();
        const claimed = await store.claim({ workerId: `worker-${index}`, leaseMs: 3_600_000 });
        latencies.push(performance.now() - claimMs);
        for (const { rollout } of claimed) seen.add(rollout.rolloutId);
      }
    }),
  );
  const seconds = (performance.now() - startMs) / 1_000;
  latencies.sort((left, right) => left - right);
  return {
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
    claimsPerSecond: Math.round(claims / seconds),
    duplicateClaims: Math.min(claims, queued) - seen.size,
  };
}

function quantile(sorted: readonly number[], share: number): number {
  const value = sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
  return Math.round(value * 100) / 100;
}
