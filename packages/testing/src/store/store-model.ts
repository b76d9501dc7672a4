import {
  isFinalAttemptStatus,
  isFinalRolloutStatus,
  type AttemptStatus,
  type RolloutStatus,
} from '@agent-lightning/store';

/** One operation of a random sequence. Numbers that pick something (`claim`, `rollout`) count modulo what there is. */
export type Operation =
  | {
      readonly type: 'enqueue';
      readonly rollout: number;
      readonly input: number;
      readonly priority: number;
      readonly maxAttempts: number;
    }
  | { readonly type: 'claim'; readonly limit: number; readonly leaseMs: number }
  | { readonly type: 'heartbeat' | 'complete'; readonly claim: number }
  | { readonly type: 'fail'; readonly claim: number; readonly status: 'failed' | 'timeout' | 'cancelled' }
  | { readonly type: 'append'; readonly claim: number; readonly spans: readonly ModelSpan[] }
  | { readonly type: 'reward'; readonly rollout: number; readonly span: number }
  | { readonly type: 'cancel'; readonly rollout: number }
  | { readonly type: 'advance'; readonly milliseconds: number }
  | { readonly type: 'watchdog' | 'reopen' };

/** A span to append, by its number. */
export interface ModelSpan {
  readonly number: number;
  readonly isOpen: boolean;
}

interface ModelAttempt {
  status: AttemptStatus;
  leaseMs: number;
  leaseEndsMs: number;
}

interface ModelRollout {
  readonly input: number;
  readonly priority: number;
  readonly maxAttempts: number;
  status: RolloutStatus;
  readonly attempts: ModelAttempt[];
  /** The spans by attempt number and span number, in order of sequence id from 1; each tells whether it is open. */
  readonly spans: Map<string, boolean>;
}

/** A claim as the model knows it: a rollout's number and an attempt's number. */
export interface ModelClaim {
  readonly rollout: number;
  readonly attempt: number;
}

const retried: readonly AttemptStatus[] = ['failed', 'timeout', 'unresponsive'];

/**
 * A small model of what a store must answer, without ids, tables and waiting. Each method returns the answer as text,
 * or the code of the error. Written from the contract, not from the rules in core, so that the two check each other.
 */
export class StoreModel {
  readonly rollouts: Map<number, ModelRollout> = new Map();
  readonly claims: ModelClaim[] = [];
  nowMs: number = 0;

  enqueue(rollout: number, input: number, priority: number, maxAttempts: number): string {
    const stored = this.rollouts.get(rollout);
    if (stored !== undefined) return stored.input === input ? stored.status : 'store-conflict';
    this.rollouts.set(rollout, { input, priority, maxAttempts, status: 'queuing', attempts: [], spans: new Map() });
    return 'queuing';
  }

  claim(limit: number, leaseMs: number): string {
    // A Map keeps the order of insertion, and the sort is stable: priority first, then age.
    const queued = [...this.rollouts].filter(([, { status }]) => status === 'queuing' || status === 'requeuing');
    const taken = queued.sort(([, left], [, right]) => right.priority - left.priority).slice(0, limit);
    return taken
      .map(([rollout, state]) => {
        const attempt = state.attempts.push({ status: 'preparing', leaseMs, leaseEndsMs: this.nowMs + leaseMs });
        state.status = 'preparing';
        this.claims.push({ rollout, attempt });
        return `${rollout}.${attempt}`;
      })
      .join(' ');
  }

  heartbeat(claim: ModelClaim): string {
    const [rollout, attempt] = this.#find(claim);
    if (attempt.status === 'cancelled') return 'cancelled';
    if (isFinalAttemptStatus(attempt.status)) return 'store-fenced';
    attempt.status = rollout.status = 'running';
    attempt.leaseEndsMs = Math.max(attempt.leaseEndsMs, this.nowMs + attempt.leaseMs);
    return 'running';
  }

  complete(claim: ModelClaim): string {
    const [rollout, attempt] = this.#find(claim);
    if (attempt.status === 'succeeded') return rollout.status;
    if (isFinalAttemptStatus(attempt.status)) return 'store-fenced';
    attempt.status = rollout.status = 'succeeded';
    return 'succeeded';
  }

  fail(claim: ModelClaim, status: 'failed' | 'timeout' | 'cancelled', wasFailed: boolean): string {
    const [rollout, attempt] = this.#find(claim);
    if (attempt.status === status && wasFailed) return rollout.status;
    if (isFinalAttemptStatus(attempt.status)) return 'store-fenced';
    this.#end(rollout, attempt, status);
    return rollout.status;
  }

  append(claim: ModelClaim, spans: readonly ModelSpan[]): string {
    const [rollout, attempt] = this.#find(claim);
    const keyOf = ({ number }: ModelSpan): string => `${claim.attempt} ${number}`;
    const isNews = (span: ModelSpan): boolean =>
      !rollout.spans.has(keyOf(span)) || (rollout.spans.get(keyOf(span)) === true && !span.isOpen);
    if (spans.some(isNews)) {
      if (isFinalAttemptStatus(attempt.status)) return 'store-fenced';
      attempt.status = rollout.status = 'running';
      for (const span of spans) if (isNews(span)) rollout.spans.set(keyOf(span), span.isOpen);
    }
    return spans.map((span) => sequenceIdOf(rollout, keyOf(span))).join(' ');
  }

  reward(rollout: number, span: number): string {
    const state = this.rollouts.get(rollout);
    if (state === undefined) return 'store-not-found';
    for (const key of state.spans.keys()) if (key.endsWith(` ${span}`)) return sequenceIdOf(state, key);
    if (state.attempts.length === 0) return 'store-conflict';
    state.spans.set(`${state.attempts.length} ${span}`, false);
    return String(state.spans.size);
  }

  cancel(rollout: number): string {
    const state = this.rollouts.get(rollout);
    if (state === undefined) return 'store-not-found';
    if (isFinalRolloutStatus(state.status)) return state.status;
    const attempt = state.attempts.at(-1);
    if (attempt !== undefined && !isFinalAttemptStatus(attempt.status)) attempt.status = 'cancelled';
    state.status = 'cancelled';
    return 'cancelled';
  }

  watchdog(): string {
    let ended = 0;
    for (const state of this.rollouts.values()) {
      const attempt = state.attempts.at(-1);
      if (attempt === undefined || isFinalAttemptStatus(attempt.status) || attempt.leaseEndsMs > this.nowMs) continue;
      this.#end(state, attempt, 'unresponsive');
      ended += state.status === 'requeuing' ? 1 : 2;
    }
    return String(ended);
  }

  /** Returns everything that a store must agree with in the end, as text. */
  describe(): readonly string[] {
    return [...this.rollouts].map(([rollout, state]) => {
      const attempts = state.attempts.map((attempt) => attempt.status).join(',');
      const spans = [...state.spans].map(
        ([key, isOpen]) => `${key}:${sequenceIdOf(state, key)}${isOpen ? ' open' : ''}`,
      );
      return `${rollout} ${state.status} [${attempts}] ${spans.join(' ')}`;
    });
  }

  #find({ rollout, attempt }: ModelClaim): [ModelRollout, ModelAttempt] {
    const state = this.rollouts.get(rollout) as ModelRollout;
    return [state, state.attempts[attempt - 1] as ModelAttempt];
  }

  #end(rollout: ModelRollout, attempt: ModelAttempt, status: AttemptStatus): void {
    attempt.status = status;
    const isRetried = retried.includes(status) && rollout.attempts.length < rollout.maxAttempts;
    rollout.status = isRetried ? 'requeuing' : status === 'cancelled' ? 'cancelled' : 'failed';
  }
}

/** Returns a span's sequence id: a Map keeps the order of insertion, and an end takes the place of its open span. */
function sequenceIdOf({ spans }: ModelRollout, key: string): string {
  return String([...spans.keys()].indexOf(key) + 1);
}
