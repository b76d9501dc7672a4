import {
  rewardNameAttribute,
  rewardValueAttribute,
  type Claim,
  type LightningStore,
  type SpanInput,
  type TokenBlob,
} from '@agent-lightning/core';
import { expect } from 'vitest';

/** Returns 16 hex digits made of a number, readable in a failing test. */
export function spanId(number: number): string {
  return number.toString(16).padStart(16, '0');
}

export function sampleSpan(number: number, changes: Partial<SpanInput> = {}): SpanInput {
  return {
    spanId: spanId(number),
    traceId: 'a'.repeat(32),
    kind: 'operation',
    name: `step ${number}`,
    status: { code: 'ok' },
    startTimeMs: 1_000.25,
    endTimeMs: 1_001.5,
    attributes: {},
    ...changes,
  };
}

export function rewardSpan(number: number, value: number): SpanInput {
  return sampleSpan(number, {
    kind: 'reward',
    name: 'reward',
    attributes: { [rewardNameAttribute(0)]: 'primary', [rewardValueAttribute(0)]: value },
  });
}

/** Returns a blob whose every value tells where it belongs. */
export function sampleTokens(prompts: number, responses: number): TokenBlob {
  return {
    prompt: Int32Array.from({ length: prompts }, (_, index) => index),
    response: Int32Array.from({ length: responses }, (_, index) => 100_000 + index),
    logprobs: Float32Array.from({ length: responses }, (_, index) => -(index % 512) / 8),
  };
}

/** Claims exactly one rollout. */
export async function claimOne(
  store: LightningStore,
  workerId: string = 'worker-1',
  leaseMs: number = 30_000,
): Promise<Claim> {
  const [claim] = await store.claim({ workerId, leaseMs });
  if (claim === undefined) expect.fail('nothing was claimable');
  return claim;
}

/** Enqueues one rollout with this id and claims it. */
export async function start(
  store: LightningStore,
  rolloutId: string,
  options: { readonly maxAttempts?: number; readonly leaseMs?: number } = {},
): Promise<Claim> {
  await store.enqueue([
    { rolloutId, input: { question: rolloutId }, retry: { maxAttempts: options.maxAttempts ?? 1 } },
  ]);
  return claimOne(store, 'worker-1', options.leaseMs);
}
