import { check } from '@agent-lightning/core';
import { ReplyError } from '../http/reply-error.ts';

export interface PauseOptions {
  /** The time that calls in flight may still take and that new calls are held; afterwards new calls are told to come back. @default 30_000 */
  readonly drainMs?: number;
  /** The `Retry-After` that those calls get. @default 5 */
  readonly retryAfterSeconds?: number;
}

/** Checks the options of a pause. @throws {ConfigurationError} `option-invalid` */
export function checkPauseOptions(options: PauseOptions): void {
  check.knownOptions('pause', options, ['drainMs', 'retryAfterSeconds']);
}

/** Lets calls in, or holds them while the gateway is paused. */
export class AdmissionGate {
  #inFlight = 0;
  #paused: { readonly holdUntilMs: number; readonly retryAfterSeconds: number } | undefined;
  #isShut = false;
  #wake: (() => void)[] = [];
  #onIdle: (() => void)[] = [];

  get inFlight(): number {
    return this.#inFlight;
  }

  get isPaused(): boolean {
    return this.#paused !== undefined;
  }

  /** Admits a call, at once or after a pause. @throws {ReplyError} `paused` with Retry-After when the pause goes on too long */
  async enter(signal: AbortSignal): Promise<void> {
    for (;;) {
      if (this.#isShut) throw closing();
      if (this.#paused === undefined) break;
      const { holdUntilMs, retryAfterSeconds } = this.#paused;
      const waitMs = holdUntilMs - performance.now();
      if (waitMs <= 0) {
        throw new ReplyError(`the gateway is paused; try again in ${retryAfterSeconds} s`, {
          code: 'paused',
          retryable: true,
          headers: { 'retry-after': String(retryAfterSeconds) },
        });
      }
      await this.#change(waitMs, signal);
      signal.throwIfAborted();
    }
    this.#inFlight += 1;
  }

  leave(): void {
    this.#inFlight -= 1;
    if (this.#inFlight === 0) for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  /** Admits no new call; resolves with the number of calls still in flight, once there is none or the drain is over. */
  async pause(options: PauseOptions = {}): Promise<number> {
    checkPauseOptions(options);
    const drainMs = options.drainMs ?? 30_000;
    this.#paused = { holdUntilMs: performance.now() + drainMs, retryAfterSeconds: options.retryAfterSeconds ?? 5 };
    if (this.#inFlight > 0) await this.idle(drainMs);
    return this.#inFlight;
  }

  resume(): void {
    this.#paused = undefined;
    for (const wake of this.#wake.splice(0)) wake();
  }

  /** Admits no call any more; those that wait are sent away. */
  shut(): void {
    this.#isShut = true;
    this.resume();
  }

  /** Resolves when no call is in flight, or after `timeoutMs`. */
  idle(timeoutMs: number): Promise<void> {
    if (this.#inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#onIdle.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #change(waitMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const settle = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', settle);
        this.#wake = this.#wake.filter((wake) => wake !== settle);
        resolve();
      };
      const timer = setTimeout(settle, waitMs);
      signal.addEventListener('abort', settle);
      this.#wake.push(settle);
    });
  }
}

function closing(): ReplyError {
  return new ReplyError('the gateway is closing', {
    code: 'backend-closed',
    retryable: true,
    headers: { 'retry-after': '1', connection: 'close' },
  });
}
