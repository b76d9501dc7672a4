export interface InterruptOptions {
  /** The user's own signal, which counts as an interruption too. */
  readonly signal: AbortSignal | undefined;
  readonly handleSignals: boolean;
  readonly onInterrupt: (reason: string) => void;
  /** Milliseconds on a clock that only grows. @default performance.now */
  readonly now?: () => number;
}

const signals = ['SIGINT', 'SIGTERM'] as const;

/** `npm run` passes Ctrl+C on to a child that already got it from the terminal; a signal that follows this soon is the same press. */
const samePressMs = 500;

/** Turns the first Ctrl+C (SIGINT, SIGTERM) into an abort; the second one ends the process as it would by default. */
export class Interrupt {
  readonly signal: AbortSignal;
  readonly #controller = new AbortController();
  readonly #options: InterruptOptions;
  readonly #now: () => number;
  #firstAtMs: number | undefined;
  readonly #onSignal = (signal: NodeJS.Signals): void => this.#receive(signal);
  readonly #onAbort = (): void => this.#interrupt(this.#describeAbort());

  constructor(options: InterruptOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.signal = this.#controller.signal;
    if (options.handleSignals) for (const signal of signals) process.on(signal, this.#onSignal);
    options.signal?.addEventListener('abort', this.#onAbort, { once: true });
    if (options.signal?.aborted === true) this.#onAbort();
  }

  dispose(): void {
    for (const signal of signals) process.off(signal, this.#onSignal);
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
  }

  #receive(signal: NodeJS.Signals): void {
    const now = this.#now();
    if (this.#firstAtMs === undefined) {
      this.#firstAtMs = now;
      this.#interrupt(signal);
    } else if (now - this.#firstAtMs >= samePressMs) {
      this.dispose();
      process.kill(process.pid, signal);
    }
  }

  /** Returns the reason of the user's signal where it is a text, such as the name of a signal of the system. */
  #describeAbort(): string {
    const reason: unknown = this.#options.signal?.reason;
    return typeof reason === 'string' ? reason : 'the signal was aborted';
  }

  #interrupt(reason: string): void {
    if (this.signal.aborted) return;
    this.#controller.abort();
    this.#options.onInterrupt(reason);
  }
}
