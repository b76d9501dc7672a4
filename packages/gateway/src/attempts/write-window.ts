import type { LightningStore } from '@agent-lightning/core';

/** The part of a store that captured calls need. */
export type SpanStore = Pick<LightningStore, 'appendSpans'>;

/** Holds writes back for a moment, so that those of many calls and attempts share one wait for the disk. */
export class WriteWindow {
  readonly #delayMs: number;
  #current: { readonly closed: Promise<void>; readonly close: () => void } | undefined;

  constructor(delayMs: number) {
    this.#delayMs = delayMs;
  }

  /** Resolves when the window that is open now closes. */
  wait(): Promise<void> {
    if (this.#delayMs === 0) return Promise.resolve();
    this.#current ??= this.#open();
    return this.#current.closed;
  }

  /** Ends the current wait at once. */
  close(): void {
    this.#current?.close();
  }

  #open(): { readonly closed: Promise<void>; readonly close: () => void } {
    const { promise, resolve } = Promise.withResolvers<void>();
    const close = (): void => {
      clearTimeout(timer);
      this.#current = undefined;
      resolve();
    };
    const timer = setTimeout(close, this.#delayMs);
    return { closed: promise, close };
  }
}
