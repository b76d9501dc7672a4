import type { Attempt, LightningStore, Rollout, Span } from '@agent-lightning/core';
import { isFinalAttemptStatus } from '@agent-lightning/store';
import type { Entry } from './ledger.ts';

/** What the workers were promised about one rollout. */
interface Promised {
  readonly spans: Map<string, number>;
  readonly lateRewards: Map<string, number>;
  readonly completedBy: Set<string>;
  isCancelled: boolean;
}

/** Counts of acknowledged writes. */
export type Acknowledged = Record<Exclude<Entry['type'], 'ready' | 'broken'>, number>;

const rolloutsPerRead = 500;

/** Holds every promise that the store made to a worker, and checks the store against them. */
export class Auditor {
  readonly acknowledged: Acknowledged = {
    enqueued: 0,
    cancelled: 0,
    claimed: 0,
    appended: 0,
    rewarded: 0,
    completed: 0,
    failed: 0,
    fenced: 0,
  };
  readonly violations: string[] = [];
  readonly #promised: Map<string, Promised> = new Map();
  readonly #tokens: Map<number, string> = new Map();
  #touched: Set<string> = new Set();

  record(entry: Entry): void {
    if (entry.type === 'ready') return;
    if (entry.type === 'broken') {
      this.violations.push(`a worker met an error that it should not meet: ${entry.message}`);
      return;
    }
    this.acknowledged[entry.type]++;
    const promised = this.#promiseOf(entry.rolloutId);
    if (entry.type === 'claimed') this.#recordClaim(entry.fencingToken, entry.attemptId);
    if (entry.type === 'appended')
      for (const [spanId, sequenceId] of Object.entries(entry.spans))
        promised.spans.set(`${entry.attemptId} ${spanId}`, sequenceId);
    if (entry.type === 'rewarded') promised.lateRewards.set(entry.spanId, entry.sequenceId);
    if (entry.type === 'completed') promised.completedBy.add(entry.attemptId);
    if (entry.type === 'cancelled') promised.isCancelled = true;
  }

  /** Checks the rollouts that were written since the last check, or all of them. */
  async check(store: LightningStore, scope: 'new' | 'all'): Promise<void> {
    const ids = scope === 'all' ? [...this.#promised.keys()] : [...this.#touched];
    this.#touched = new Set();
    for (let from = 0; from < ids.length; from += rolloutsPerRead) {
      const batch = ids.slice(from, from + rolloutsPerRead);
      const found = new Map(
        (await store.queryRollouts({ rolloutIds: batch, limit: rolloutsPerRead })).items.map((rollout) => [
          rollout.rolloutId,
          rollout,
        ]),
      );
      for (const rolloutId of batch) {
        const rollout = found.get(rolloutId);
        if (rollout === undefined) this.violations.push(`rollout ${rolloutId} was acknowledged and is gone`);
        else
          this.#checkRollout(
            rollout,
            await store.queryAttempts(rolloutId),
            await store.querySpans({ rolloutIds: [rolloutId] }),
          );
      }
    }
  }

  /** Every live attempt must have a lease that ended at most `stuckMs` ago: whoever lives has had time to take it. */
  async checkNoneIsStuck(store: LightningStore, nowMs: number, stuckMs: number): Promise<void> {
    const { items } = await store.queryRollouts({ statuses: ['preparing', 'running'], limit: 10_000 });
    for (const { rolloutId } of items) {
      const attempt = (await store.queryAttempts(rolloutId)).at(-1);
      if (attempt === undefined || isFinalAttemptStatus(attempt.status) || nowMs - attempt.leaseExpiresAtMs <= stuckMs)
        continue;
      this.violations.push(
        `rollout ${rolloutId} is stuck: its lease ended ${nowMs - attempt.leaseExpiresAtMs} ms ago and nobody took it`,
      );
    }
  }

  #promiseOf(rolloutId: string): Promised {
    this.#touched.add(rolloutId);
    let promised = this.#promised.get(rolloutId);
    if (promised === undefined)
      this.#promised.set(
        rolloutId,
        (promised = { spans: new Map(), lateRewards: new Map(), completedBy: new Set(), isCancelled: false }),
      );
    return promised;
  }

  #recordClaim(fencingToken: number, attemptId: string): void {
    const holder = this.#tokens.get(fencingToken);
    if (holder !== undefined)
      this.violations.push(`fencing token ${fencingToken} was given to ${holder} and to ${attemptId}`);
    this.#tokens.set(fencingToken, attemptId);
  }

  #checkRollout(rollout: Rollout, attempts: readonly Attempt[], spans: readonly Span[]): void {
    const promised = this.#promiseOf(rollout.rolloutId);
    this.#touched.delete(rollout.rolloutId);
    const fail = (problem: string): void => void this.violations.push(`rollout ${rollout.rolloutId} ${problem}`);
    const stored = new Map(spans.map((span) => [`${span.attemptId} ${span.spanId}`, span]));
    for (const [key, sequenceId] of promised.spans) {
      const span = stored.get(key);
      if (span?.sequenceId !== sequenceId)
        fail(`lost span ${key}: sequence id ${sequenceId} was acknowledged, ${span?.sequenceId} is stored`);
      if (span?.isOpen === true) fail(`lost the end of span ${key}, which was acknowledged`);
    }
    if (spans.some((span, index) => span.sequenceId !== index + 1)) fail('has sequence ids with a gap or a repetition');
    if (stored.size !== spans.length) fail('has a span twice');
    this.#checkEnds(rollout, attempts, promised, fail);
    checkRewards(attempts, spans, promised, fail);
  }

  #checkEnds(
    rollout: Rollout,
    attempts: readonly Attempt[],
    promised: Promised,
    fail: (problem: string) => void,
  ): void {
    if (attempts.some((attempt, index) => attempt.attemptNumber !== index + 1)) fail('has attempts with a gap');
    if (attempts.slice(0, -1).some((attempt) => !isFinalAttemptStatus(attempt.status)))
      fail('has a live attempt that was replaced');
    const winners = attempts.filter((attempt) => attempt.status === 'succeeded').map((attempt) => attempt.attemptId);
    if (winners.length > 1) fail(`succeeded in ${winners.length} attempts`);
    for (const attemptId of promised.completedBy) {
      if (rollout.status !== 'succeeded' || winners[0] !== attemptId)
        fail(`was completed by ${attemptId} and is ${rollout.status}, won by ${winners[0]}`);
    }
    // A cancel that came after the end returns the end as it was.
    if (promised.isCancelled && promised.completedBy.size === 0 && rollout.status !== 'cancelled')
      fail(`was cancelled and is ${rollout.status}`);
  }
}

function checkRewards(
  attempts: readonly Attempt[],
  spans: readonly Span[],
  promised: Promised,
  fail: (problem: string) => void,
): void {
  for (const { attemptId, status } of attempts) {
    const rewards = spans.filter((span) => span.attemptId === attemptId && span.name === 'reward').length;
    if (rewards > 1 || (status === 'succeeded' && rewards !== 1))
      fail(`counts ${rewards} rewards in its ${status} attempt ${attemptId}`);
  }
  const late = spans.filter((span) => span.name === 'late reward');
  if (late.length > 1) fail(`counts ${late.length} late rewards`);
  for (const [spanId, sequenceId] of promised.lateRewards) {
    if (!late.some((span) => span.spanId === spanId && span.sequenceId === sequenceId))
      fail(`lost the late reward ${spanId}`);
  }
}
