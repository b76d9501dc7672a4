import { LightningError, StoreError, type SpanInput } from '@agent-lightning/core';
import { backOffMs, systemClock, type BackOffLimits } from '@agent-lightning/platform';
import { toLightningError, type CaptureLedger } from './capture-ledger.ts';
import type { ResolvedCaptureOptions } from './capture-options.ts';
import type { CapturedRollout } from './captured-rollout.ts';
import { redactFeedback, redactRollout } from './redact-rollout.ts';
import { RolloutWriter } from './write-rollouts.ts';

/** Says what became of a reward. */
export type RewardReceipt = 'stored' | 'not-sampled' | 'dropped' | 'unknown-rollout';

interface WaitingReward {
  readonly rolloutId: string;
  readonly span: SpanInput;
  readonly settle: (receipt: RewardReceipt) => void;
}

/** The rollouts that are written together: few enough that a store which writes in this thread delays no request for long. */
const batchSize = 16;
const writeRetries: BackOffLimits = { firstMs: 100, longestMs: 10_000 };
/** Rewards are small; these bound what a store that is down for days may cost. */
const maxWaitingRewards = 100_000;

/** Writes in the background, in order, and again after a failure. Nothing here reaches the request that was captured. */
export class WriteQueue {
  readonly #options: ResolvedCaptureOptions;
  readonly #ledger: CaptureLedger;
  readonly #writer: RolloutWriter;
  readonly #stop = new AbortController();
  readonly #redacted = new WeakMap<CapturedRollout, CapturedRollout>();
  #rollouts: CapturedRollout[] = [];
  #rewards: WaitingReward[] = [];
  #working: Promise<void> | undefined;

  constructor(options: ResolvedCaptureOptions, ledger: CaptureLedger) {
    this.#options = options;
    this.#ledger = ledger;
    this.#writer = new RolloutWriter(options);
  }

  /** Adds a rollout, whose bytes the ledger has counted already. */
  addRollout(rollout: CapturedRollout): void {
    if (this.#stop.signal.aborted) return this.#drop(rollout, 'closed', closedError());
    this.#ledger.waiting++;
    this.#rollouts.push(rollout);
    this.#work();
  }

  addReward(rolloutId: string, span: SpanInput): Promise<RewardReceipt> {
    return new Promise((resolve) => {
      const settle = (receipt: RewardReceipt): void => {
        if (receipt === 'stored') this.#ledger.rewardsStored++;
        else this.#ledger.rewardsDropped++;
        resolve(receipt);
      };
      if (this.#stop.signal.aborted || this.#rewards.length >= maxWaitingRewards) return settle('dropped');
      const redacted = this.#redactReward(rolloutId, span);
      if (redacted === undefined) return settle('dropped');
      this.#rewards.push({ rolloutId, span: redacted, settle });
      this.#work();
    });
  }

  /** Resolves when nothing waits. */
  async idle(): Promise<void> {
    await this.#working;
  }

  /** Drops what still waits. */
  close(): void {
    this.#stop.abort();
    for (const rollout of this.#rollouts.splice(0)) {
      this.#ledger.waiting--;
      this.#drop(rollout, 'closed', closedError());
    }
    for (const reward of this.#rewards.splice(0)) reward.settle('dropped');
  }

  #work(): void {
    this.#working ??= this.#writeAll().finally(() => {
      this.#working = undefined;
    });
  }

  async #writeAll(): Promise<void> {
    const { signal } = this.#stop;
    await nextTurn(); // the request goes first
    let failures = 0;
    while (!signal.aborted && (this.#rollouts.length > 0 || this.#rewards.length > 0)) {
      try {
        await this.#writeSome();
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        this.#ledger.retries++;
        this.#ledger.report(error);
        failures += 1;
        await systemClock.wait(backOffMs(failures, writeRetries), signal, true);
      }
    }
  }

  /** Writes the oldest rollouts, then the rewards of rollouts that do not wait. @throws what may succeed later */
  async #writeSome(): Promise<void> {
    const batch = this.#rollouts.slice(0, batchSize);
    const ready: { readonly rollout: CapturedRollout; readonly redacted: CapturedRollout }[] = [];
    for (const rollout of batch) {
      const redacted = this.#redact(rollout);
      if (redacted !== undefined) ready.push({ rollout, redacted });
      await nextTurn();
    }
    const isOpen = await this.#attempt(() => this.#writer.open(ready.map(({ redacted }) => redacted)));
    for (const { rollout, redacted } of ready) {
      // One by one, when one of them made the store refuse them all.
      const work = async (): Promise<void> => {
        if (isOpen !== true) await this.#writer.open([redacted]);
        await this.#writer.finish(redacted);
      };
      const done = await this.#attempt(work).catch((error: unknown) => {
        this.#moveToEnd(rollout); // so that one which waits for its lease does not hold up the others
        throw error;
      });
      if (done === true) this.#ledger.stored++;
      this.#forget(rollout);
      if (done !== true) this.#drop(rollout, 'store-refused', done);
      else this.#ledger.returnBytes(rollout.bytes);
    }
    await this.#writeRewards();
  }

  async #writeRewards(): Promise<void> {
    const waiting = new Set(this.#rollouts.map(({ rolloutId }) => rolloutId));
    for (const reward of this.#rewards.filter(({ rolloutId }) => !waiting.has(rolloutId))) {
      const done = await this.#attempt(() => this.#writer.addReward(reward.rolloutId, reward.span));
      if (!this.#rewards.includes(reward)) return; // closed meanwhile
      this.#rewards = this.#rewards.filter((each) => each !== reward);
      if (done !== true && done.code !== 'store-not-found') this.#ledger.report(done, reward.rolloutId);
      reward.settle(done === true ? 'stored' : done.code === 'store-not-found' ? 'unknown-rollout' : 'dropped');
    }
  }

  /** Redacts a rollout, once: a repetition must write the same. */
  #redact(rollout: CapturedRollout): CapturedRollout | undefined {
    const { redact } = this.#options;
    if (redact === undefined) return rollout;
    const before = this.#redacted.get(rollout);
    if (before !== undefined) return before;
    try {
      const redacted = redactRollout(rollout, redact);
      this.#redacted.set(rollout, redacted);
      return redacted;
    } catch (error) {
      this.#forget(rollout);
      this.#drop(rollout, 'redaction-failed', redactionError(error, `the captured rollout ${rollout.rolloutId}`));
      return undefined;
    }
  }

  /** Returns the reward with its feedback redacted; undefined, and reported, where that fails. */
  #redactReward(rolloutId: string, span: SpanInput): SpanInput | undefined {
    const { redact } = this.#options;
    if (redact === undefined) return span;
    try {
      return redactFeedback(span, redact);
    } catch (error) {
      this.#ledger.report(redactionError(error, `a reward of rollout ${rolloutId}`), rolloutId);
      return undefined;
    }
  }

  /** Returns true, or the error with which the store rejects the write for good. @throws what may succeed later */
  async #attempt(work: () => Promise<void>): Promise<true | LightningError> {
    try {
      await work();
      return true;
    } catch (thrown) {
      const error = toLightningError(thrown);
      if (error.retryable || error.code === 'store-fenced') throw error;
      return error;
    }
  }

  #moveToEnd(rollout: CapturedRollout): void {
    const index = this.#rollouts.indexOf(rollout);
    if (index >= 0) this.#rollouts.push(...this.#rollouts.splice(index, 1));
  }

  #forget(rollout: CapturedRollout): void {
    const index = this.#rollouts.indexOf(rollout);
    if (index < 0) return; // closed meanwhile
    this.#rollouts.splice(index, 1);
    this.#ledger.waiting--;
  }

  #drop(
    rollout: CapturedRollout,
    reason: 'closed' | 'store-refused' | 'redaction-failed',
    error: LightningError,
  ): void {
    this.#ledger.returnBytes(rollout.bytes);
    this.#ledger.drop(reason, rollout.rolloutId, error);
  }
}

function closedError(): StoreError {
  return new StoreError('the capture was closed before the rollout was written', { code: 'store-closed' });
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Returns the error for what was dropped. It has no cause: what a redaction says when it fails may hold the text that it failed on. */
function redactionError(error: unknown, dropped: string): LightningError {
  const kind = error instanceof Error ? error.name : typeof error;
  return new LightningError(`redact threw ${kind}, so ${dropped} was dropped`, { code: 'hook-failed' });
}
