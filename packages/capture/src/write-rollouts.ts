import { randomUUID } from 'node:crypto';
import {
  LightningError,
  StoreError,
  TimeoutError,
  type Claim,
  type LightningStore,
  type SpanInput,
} from '@agent-lightning/core';
import { isFinalRolloutStatus } from '@agent-lightning/store';
import { deriveTraceId } from '@agent-lightning/tracing';
import type { ResolvedCaptureOptions } from './capture-options.ts';
import type { CapturedRollout } from './captured-rollout.ts';

/** The longest time that an enqueued rollout of this process may stay unfinished, such as when the process ends in between. */
const abandonedAfterMs = 3_600_000;
/** The lease of a rollout that is written: longer than a store that answers at all needs for one batch. */
const leaseMs = 120_000;

/**
 * Writes rollouts that have ended: enqueued, claimed, traced and finished, as the store's contract has it. Every step may be
 * repeated. The queue is this writer's own, so that no runner and no other process takes them.
 */
export class RolloutWriter {
  readonly #options: ResolvedCaptureOptions;
  readonly #store: LightningStore;
  readonly #queue: string = `production:${randomUUID()}`;
  /** The claims of rollouts, also those that came too late: without them the rollouts would wait for the lease to end. */
  readonly #claims = new Map<string, Claim>();

  constructor(options: ResolvedCaptureOptions) {
    this.#options = options;
    this.#store = options.store;
  }

  /** Gives every rollout an attempt. @throws what the store throws; TimeoutError `timed-out`, retryable */
  async open(rollouts: readonly CapturedRollout[]): Promise<void> {
    const missing = rollouts.filter(({ rolloutId }) => !this.#claims.has(rolloutId));
    if (missing.length === 0) return;
    await this.#call('enqueue', () => this.#store.enqueue(missing.map((rollout) => this.#request(rollout))));
    await this.#call('claim', async () => {
      const request = { workerId: this.#queue, queues: [this.#queue], limit: missing.length, leaseMs };
      for (const claim of await this.#store.claim(request)) this.#claims.set(claim.rollout.rolloutId, claim);
    });
  }

  /** Writes the spans of an opened rollout and ends it. @throws what the store throws; TimeoutError `timed-out`, retryable */
  async finish(rollout: CapturedRollout): Promise<void> {
    const { rolloutId, failure } = rollout;
    const claim = this.#claims.get(rolloutId);
    if (claim === undefined) return await this.#explainMissing(rolloutId);
    const { lease, attempt } = claim;
    const traceId = deriveTraceId(attempt.attemptId);
    try {
      const spans = rollout.spans.map((span): SpanInput => ({ ...span, traceId }));
      if (spans.length > 0) await this.#call('appendSpans', () => this.#store.appendSpans(lease, spans));
      if (failure === undefined) await this.#call('complete', () => this.#store.complete(lease));
      else await this.#call('fail', () => this.#store.fail(lease, failure));
    } catch (error) {
      if (LightningError.isInstance(error) && error.code === 'store-fenced') this.#claims.delete(rolloutId);
      throw error;
    }
    this.#claims.delete(rolloutId);
  }

  /** @throws what the store throws; TimeoutError `timed-out`, retryable */
  async addReward(rolloutId: string, span: SpanInput): Promise<void> {
    await this.#call('addReward', () => this.#store.addReward(rolloutId, span));
  }

  /** Throws the reason for which an enqueued rollout was not claimed: its id was used before, or its attempt is held until a lease ends. */
  async #explainMissing(rolloutId: string): Promise<never> {
    const stored = await this.#call('getRollout', () => this.#store.getRollout(rolloutId));
    const isTaken = stored !== undefined && isFinalRolloutStatus(stored.status);
    throw isTaken
      ? new StoreError(`the store already has a finished rollout ${rolloutId}; give each run an id of its own`, {
          code: 'store-conflict',
        })
      : new StoreError(`the store gave no attempt for the captured rollout ${rolloutId}`, {
          code: 'store-unavailable',
          retryable: true,
        });
  }

  #request({ rolloutId, input, metadata }: CapturedRollout): Parameters<LightningStore['enqueue']>[0][number] {
    return {
      rolloutId,
      input,
      mode: 'test',
      runId: this.#options.runId,
      queue: this.#queue,
      metadata,
      retry: { maxAttempts: 3, retryOn: ['unresponsive'] },
      timeouts: { totalMs: abandonedAfterMs },
    };
  }

  async #call<Reply>(name: string, work: () => Promise<Reply>): Promise<Reply> {
    const { writeTimeoutMs } = this.#options;
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(
      () =>
        reject(
          new TimeoutError(`the store did not answer ${name} within ${writeTimeoutMs} ms`, {
            code: 'timed-out',
            retryable: true,
          }),
        ),
      writeTimeoutMs,
    );
    try {
      return await Promise.race([callAsync(work), promise]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Turns a synchronous throw into a rejection. */
async function callAsync<Reply>(work: () => Promise<Reply>): Promise<Reply> {
  return await work();
}
