// One process under fire: enqueues rollouts, runs what it claims, and writes down every acknowledgement.
// Arguments: the configuration as JSON. SIGTERM: enqueue nothing more, and leave when every rollout is final.
import { setTimeout as delay } from 'node:timers/promises';
import {
  LightningError,
  rewardNameAttribute,
  rewardValueAttribute,
  type Claim,
  type Lease,
  type LightningStore,
  type SpanInput,
  seededRandom,
} from '@agent-lightning/core';
import { isFinalRolloutStatus } from '@agent-lightning/store';
import { LedgerWriter } from './ledger.ts';
import { openTarget, type StoreTarget } from './store-target.ts';

export interface WorkerConfiguration {
  readonly target: StoreTarget;
  readonly worker: string;
  readonly seed: number;
  readonly leaseMs: number;
  readonly ledger: string;
}

const lanes = 4;
const configuration = JSON.parse(process.argv[2] ?? '{}') as WorkerConfiguration;
const { worker, leaseMs } = configuration;
const random = seededRandom(configuration.seed);
const ledger = new LedgerWriter(configuration.ledger);
let isDraining = false;
let enqueued = 0;
process.on('SIGTERM', () => {
  isDraining = true;
});

try {
  const { store } = await openTarget(configuration.target, leaseMs / 5);
  ledger.write({ type: 'ready' });
  await Promise.all(Array.from({ length: lanes }, () => runLane(store)));
  await store.close();
} catch (error) {
  ledger.write({ type: 'broken', message: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  process.exitCode = 1;
}

async function runLane(store: LightningStore): Promise<void> {
  for (;;) {
    if (!isDraining && random() < 0.7) await enqueue(store);
    const claims = await store.claim({ workerId: worker, limit: 1 + Math.floor(random() * 2), leaseMs });
    for (const { lease } of claims)
      ledger.write({
        type: 'claimed',
        rolloutId: lease.rolloutId,
        attemptId: lease.attemptId,
        fencingToken: lease.fencingToken,
      });
    await Promise.all(claims.map((claim) => runClaim(store, claim)));
    if (claims.length > 0) continue;
    if (isDraining && (await isAllFinal(store))) return;
    await store.waitForWork({}, { timeoutMs: leaseMs / 4 });
  }
}

async function isAllFinal(store: LightningStore): Promise<boolean> {
  const { rollouts } = await store.statistics();
  return Object.entries(rollouts).every(
    ([status, count]) => count === 0 || isFinalRolloutStatus(status as keyof typeof rollouts),
  );
}

async function enqueue(store: LightningStore): Promise<void> {
  const ids = Array.from({ length: 1 + Math.floor(random() * 3) }, () => `${worker}-${++enqueued}`);
  const requests = ids.map((rolloutId) => ({ rolloutId, input: { question: rolloutId }, retry: { maxAttempts: 100 } }));
  await store.enqueue(requests);
  for (const rolloutId of ids) ledger.write({ type: 'enqueued', rolloutId });
  if (random() < 0.1) await store.enqueue(requests);
}

async function runClaim(store: LightningStore, { lease }: Claim): Promise<void> {
  const beats = setInterval(() => void store.heartbeat(lease).catch(() => undefined), leaseMs / 3);
  const place = { rolloutId: lease.rolloutId, attemptId: lease.attemptId };
  try {
    for (let batch = 0, count = 1 + Math.floor(random() * 3); batch < count; batch++) {
      await append(
        store,
        lease,
        Array.from({ length: 1 + Math.floor(random() * 4) }, (_, index) => span(lease, 16 * (batch + 1) + index)),
      );
      await delay(random() * 5);
    }
    await append(store, lease, [span(lease, 0)]);
    if (random() < 0.05) {
      await store.cancel(lease.rolloutId);
      ledger.write({ type: 'cancelled', rolloutId: lease.rolloutId });
    } else if (random() < 0.1) {
      await store.fail(lease, { code: 'agent-failed', message: 'chaos' });
      ledger.write({ type: 'failed', ...place });
    } else {
      await store.complete(lease);
      ledger.write({ type: 'completed', ...place });
      if (random() < 0.3) await addLateReward(store, lease.rolloutId);
    }
  } catch (error) {
    if (!LightningError.isInstance(error) || error.code !== 'store-fenced') throw error;
    ledger.write({ type: 'fenced', ...place });
  } finally {
    clearInterval(beats);
  }
}

/** Appends, now and then twice, as a client does that did not hear the answer, and now and then announced before, as a long call is. */
async function append(store: LightningStore, lease: Lease, spans: readonly SpanInput[]): Promise<void> {
  if (random() < 0.2) await store.appendSpans(lease, spans.flatMap(announced));
  const sequenceIds = await store.appendSpans(lease, spans);
  if (random() < 0.1) await store.appendSpans(lease, spans);
  ledger.write({
    type: 'appended',
    rolloutId: lease.rolloutId,
    attemptId: lease.attemptId,
    spans: Object.fromEntries(spans.map(({ spanId }, index) => [spanId, sequenceIds[index] as number])),
  });
}

function announced({ tokens: _tokens, ...span }: SpanInput): readonly SpanInput[] {
  return span.kind === 'reward' ? [] : [{ ...span, isOpen: true }];
}

async function addLateReward(store: LightningStore, rolloutId: string): Promise<void> {
  const reward: SpanInput = {
    ...span({ rolloutId, attemptId: 'late', fencingToken: 0 }, 0),
    spanId: 'f'.repeat(16),
    name: 'late reward',
  };
  const sequenceId = await store.addReward(rolloutId, reward);
  ledger.write({ type: 'rewarded', rolloutId, spanId: reward.spanId, sequenceId });
  if (random() < 0.5) await store.addReward(rolloutId, reward);
}

/** Span 0 of an attempt is its one reward; the others are model calls with tokens. */
function span(lease: Lease, number: number): SpanInput {
  const base = {
    spanId: (number + 1).toString(16).padStart(16, '0'),
    traceId: 'c'.repeat(32),
    status: { code: 'ok' as const },
    startTimeMs: 1,
    endTimeMs: 2,
  };
  if (number === 0)
    return {
      ...base,
      kind: 'reward',
      name: 'reward',
      attributes: { [rewardNameAttribute(0)]: 'primary', [rewardValueAttribute(0)]: 1 },
    };
  const tokens = {
    prompt: new Int32Array(200).fill(lease.fencingToken),
    response: new Int32Array(50).fill(number),
    logprobs: new Float32Array(50).fill(-0.5),
  };
  return { ...base, kind: 'model_call', name: 'chat', attributes: { attempt: lease.attemptId }, tokens };
}
