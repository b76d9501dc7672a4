import { LightningError, StoreError, toTerminalText } from '@agent-lightning/core';
import type { CaptureDropReason, ResolvedCaptureOptions } from './capture-options.ts';

/** Counts what a capture did so far. `started = unsampled + live + waiting + stored + dropped`. */
export interface CaptureStatistics {
  /** Runs that began, sampled or not. */
  readonly started: number;
  /** Runs that the sampling rate leaves out. */
  readonly unsampled: number;
  /** Sampled runs that have not ended. */
  readonly live: number;
  /** Runs that ended and are not stored yet. */
  readonly waiting: number;
  readonly stored: number;
  readonly dropped: Readonly<Record<CaptureDropReason, number>>;
  /**
   * Calls that could not be traced or sent to a gateway, and went on without the adapter, by reason, such as `mastra-network` or
   * `reward-invalid`; of all runs, sampled or not.
   */
  readonly untraceable: Readonly<Record<string, number>>;
  /** The bytes that wait in memory, about. */
  readonly bufferedBytes: number;
  /** Writes that failed and were tried again. */
  readonly retries: number;
  readonly rewardsStored: number;
  /** Rewards whose rollout was not sampled, was dropped, or is unknown to the store. */
  readonly rewardsDropped: number;
}

/** The books of a capture: every run is in exactly one column. */
export class CaptureLedger {
  started = 0;
  unsampled = 0;
  live = 0;
  waiting = 0;
  stored = 0;
  retries = 0;
  rewardsStored = 0;
  rewardsDropped = 0;
  #bufferedBytes = 0;
  readonly #dropped: Record<CaptureDropReason, number> = {
    'buffer-full': 0,
    'input-invalid': 0,
    'redaction-failed': 0,
    'store-refused': 0,
    closed: 0,
  };
  readonly #untraceable = new Map<string, number>();
  readonly #options: ResolvedCaptureOptions;

  constructor(options: ResolvedCaptureOptions) {
    this.#options = options;
  }

  /** Reserves memory. Returns false when it does not fit. */
  takeBytes(bytes: number): boolean {
    if (this.#bufferedBytes + bytes > this.#options.maxBufferedBytes) return false;
    this.#bufferedBytes += bytes;
    return true;
  }

  returnBytes(bytes: number): void {
    this.#bufferedBytes -= bytes;
  }

  drop(reason: CaptureDropReason, rolloutId: string, error: LightningError): void {
    this.#dropped[reason]++;
    this.report(error, rolloutId);
  }

  countUntraceable(reason: string, rolloutId: string, error: LightningError): void {
    this.#untraceable.set(reason, (this.#untraceable.get(reason) ?? 0) + 1);
    this.report(error, rolloutId);
  }

  /** Tells the user. What the user's function throws cannot reach the request. */
  report(error: unknown, rolloutId?: string): void {
    try {
      this.#options.onError(toLightningError(error), rolloutId === undefined ? {} : { rolloutId });
    } catch (thrown) {
      process.emitWarning(toTerminalText(`captureRollouts: onError threw: ${String(thrown)}`));
    }
  }

  get statistics(): CaptureStatistics {
    const { started, unsampled, live, waiting, stored, retries, rewardsStored, rewardsDropped } = this;
    const counts = { started, unsampled, live, waiting, stored, retries, rewardsStored, rewardsDropped };
    const untraceable = Object.fromEntries(this.#untraceable);
    return { ...counts, dropped: { ...this.#dropped }, untraceable, bufferedBytes: this.#bufferedBytes };
  }
}

/** Returns the error itself; what else a store throws is returned as an outage. */
export function toLightningError(error: unknown): LightningError {
  if (LightningError.isInstance(error)) return error;
  return new StoreError(`the store failed: ${error instanceof Error ? error.message : String(error)}`, {
    code: 'store-unavailable',
    retryable: true,
    cause: error,
  });
}
