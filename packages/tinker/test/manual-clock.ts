import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '@agent-lightning/platform';

/** Time that passes at once when somebody waits for an answer, and stands still for whoever only keeps watch. */
export class ManualClock implements Clock {
  /** Every wait of a call, in ms. */
  readonly waits: number[] = [];
  #nowMs = 0.3; // real clocks give fractions
  readonly #watchers = new Set<() => void>();

  now(): number {
    return this.#nowMs;
  }

  async wait(ms: number, signal: AbortSignal, idle: boolean = false): Promise<void> {
    if (signal.aborted) return;
    if (!idle) {
      this.waits.push(ms);
      this.#nowMs += ms;
      await nextTurn();
      return;
    }
    await new Promise<void>((resolve) => {
      this.#watchers.add(resolve);
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  /** Lets whoever keeps watch look once. */
  pass(ms: number): void {
    this.#nowMs += ms;
    for (const wake of this.#watchers) wake();
    this.#watchers.clear();
  }
}
