import { rewardAttributes, type Claim, type LightningStore, type SpanInput } from '@agent-lightning/core';

/** A workload: rollouts that are enqueued, then worked off by workers that claim a few at a time. */
export interface Workload {
  readonly rollouts: number;
  readonly workers: number;
  /** The rollouts that a worker claims at once. */
  readonly claimLimit: number;
}

const tokens = {
  prompt: new Int32Array(200).fill(7),
  response: new Int32Array(50).fill(9),
  logprobs: new Float32Array(50).fill(-0.5),
};

/** A model call with 250 tokens, and a reward. */
function spansOf({ attempt }: Claim): readonly SpanInput[] {
  const nowMs = Date.now();
  const traceId = attempt.attemptId
    .replaceAll(/[^0-9a-f]/g, '')
    .padEnd(32, 'a')
    .slice(0, 32);
  const base = { traceId, status: { code: 'ok' }, startTimeMs: nowMs, endTimeMs: nowMs } as const;
  return [
    {
      ...base,
      spanId: '1'.repeat(16),
      kind: 'model_call',
      name: 'chat',
      attributes: { 'gen_ai.request.model': 'policy' },
      tokens,
    },
    { ...base, spanId: '2'.repeat(16), kind: 'reward', name: 'reward', attributes: rewardAttributes(1) },
  ];
}

/** Works off what is queued, as runners do: claim, write the spans, complete; returns the rollouts that this worker did. */
export async function workOff(
  store: LightningStore,
  workerId: string,
  claimLimit: number,
  isDone: () => boolean,
): Promise<number> {
  let count = 0;
  while (!isDone()) {
    const claims = await store.claim({ workerId, limit: claimLimit, leaseMs: 600_000 });
    if (claims.length === 0) await store.waitForWork({}, { timeoutMs: 200 });
    await Promise.all(
      claims.map(async (claim) => {
        await store.appendSpans(claim.lease, spansOf(claim));
        await store.complete(claim.lease);
        count += 1;
      }),
    );
  }
  return count;
}

/** Returns rollouts per second from the first claim to the last end. @param stores one for all workers, or one for each */
export async function measureRollouts(
  trainer: LightningStore,
  stores: readonly LightningStore[],
  { rollouts, workers, claimLimit }: Workload,
): Promise<number> {
  const enqueued = await trainer.enqueue(Array.from({ length: rollouts }, (_, index) => ({ input: { index } })));
  const startedMs = performance.now();
  let isOver = false;
  const working = Array.from({ length: workers }, (_, index) =>
    workOff(stores[index % stores.length]!, `worker-${index}`, claimLimit, () => isOver),
  );
  await trainer.waitFor(enqueued.map(({ rolloutId }) => rolloutId));
  const seconds = (performance.now() - startedMs) / 1_000;
  isOver = true;
  await Promise.all(working);
  return rollouts / seconds;
}
