import { LightningError } from '@agent-lightning/core';
import type { Operations } from '@agent-lightning/store';

const intervalMs = 1_000;

/** Lets a store's watchdog begin late: leases that ran out while the server was away can still be saved by a heartbeat until then. */
export class LateWatchdog {
  readonly #operations: Operations;
  readonly #begin: NodeJS.Timeout;
  #turns: NodeJS.Timeout | undefined;
  #isRunning: boolean = false;

  constructor(operations: Operations, delayMs: number) {
    this.#operations = operations;
    this.#begin = setTimeout(() => {
      this.#turns = setInterval(() => void this.#takeTurn(), intervalMs).unref();
    }, delayMs).unref();
  }

  stop(): void {
    clearTimeout(this.#begin);
    clearInterval(this.#turns);
  }

  async #takeTurn(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    try {
      await this.#operations.call('takeWatchdogTurn', []);
    } catch (error) {
      // Nobody called: a busy store is tried at the next turn, and callers see its error themselves.
      if (!LightningError.isInstance(error)) throw error;
    } finally {
      this.#isRunning = false;
    }
  }
}
