import {
  rewardNameAttribute,
  rewardValueAttribute,
  type Claim,
  type LightningStore,
  type SpanInput,
} from '@agent-lightning/core';

const spansPerRollout: number = 10;
const promptIds: number = 800;
const responseIds: number = 200;
/** About as much text as a chat of a few turns. */
const messageText: string = JSON.stringify([
  { role: 'user', content: 'How many singers are older than the average singer? '.repeat(20) },
]);

export interface LifeOptions {
  readonly rollouts: number;
  /** Rollouts that run at the same time. */
  readonly concurrency: number;
  /** Spans of one `appendSpans` call. */
  readonly spansPerCall: number;
}

export interface LifeResult {
  readonly rolloutsPerSecond: number;
  readonly spansPerSecond: number;
  readonly megabytesPerSecond: number;
}

/** Runs rollouts through their whole life: enqueue, claim, ten model calls of 1,000 tokens, reward, complete, read back. */
export async function measureRolloutLife(
  store: LightningStore,
  { rollouts, concurrency, spansPerCall }: LifeOptions,
): Promise<LifeResult> {
  let started = 0;
  const startMs = performance.now();
  await Promise.all(
    Array.from({ length: concurrency }, async (_, lane) => {
      while (started < rollouts) {
        started++;
        await liveOnce(store, `worker-${lane}`, spansPerCall);
      }
    }),
  );
  const seconds = (performance.now() - startMs) / 1_000;
  const bytesPerRollout = spansPerRollout * (messageText.length + 4 * (promptIds + 2 * responseIds));
  return {
    rolloutsPerSecond: round(rollouts / seconds),
    spansPerSecond: round((rollouts * (spansPerRollout + 1)) / seconds),
    megabytesPerSecond: round((rollouts * bytesPerRollout) / 1e6 / seconds),
  };
}

async function liveOnce(store: LightningStore, workerId: string, spansPerCall: number): Promise<void> {
  await store.enqueue([{ input: { question: 'How many singers are older than the average singer?' } }]);
  const [claim] = await store.claim({ workerId });
  const {
    lease,
    rollout: { rolloutId },
  } = claim as Claim;
  for (let first = 0; first < spansPerRollout; first += spansPerCall) {
    await store.appendSpans(
      lease,
      Array.from({ length: Math.min(spansPerCall, spansPerRollout - first) }, (_, index) => modelCall(first + index)),
    );
  }
  await store.appendSpans(lease, [reward()]);
  await store.complete(lease);
  const spans = await store.querySpans({ rolloutIds: [rolloutId], includeTokens: true });
  const tokens = spans.reduce(
    (total, span) => total + (span.tokens?.prompt.length ?? 0) + (span.tokens?.response.length ?? 0),
    0,
  );
  if (tokens !== spansPerRollout * (promptIds + responseIds))
    throw new RangeError(`rollout ${rolloutId} came back with ${tokens} tokens`);
}

function modelCall(number: number): SpanInput {
  return {
    ...base(number),
    kind: 'model_call',
    name: 'chat',
    attributes: { 'gen_ai.request.model': 'policy', 'gen_ai.input.messages': messageText },
    tokens: {
      prompt: new Int32Array(promptIds).fill(number),
      response: new Int32Array(responseIds).fill(number),
      logprobs: new Float32Array(responseIds).fill(-0.5),
    },
  };
}

function reward(): SpanInput {
  return {
    ...base(99),
    kind: 'reward',
    name: 'reward',
    attributes: { [rewardNameAttribute(0)]: 'primary', [rewardValueAttribute(0)]: 1 },
  };
}

function base(number: number): Pick<SpanInput, 'spanId' | 'traceId' | 'status' | 'startTimeMs' | 'endTimeMs'> {
  return {
    spanId: (number + 1).toString(16).padStart(16, '0'),
    traceId: 'b'.repeat(32),
    status: { code: 'ok' },
    startTimeMs: 1,
    endTimeMs: 2,
  };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
