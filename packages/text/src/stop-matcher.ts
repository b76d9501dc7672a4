/** Finds stop texts in a stream of pieces. */

/** The text that may be shown after a piece. */
export interface StopResult {
  /** Text that cannot be part of a stop text any more. */
  readonly text: string;
  readonly stopped: boolean;
}

/** Cuts a stream of text at the first stop text, wherever the borders of pieces fall. */
export class StopMatcher {
  readonly #stops: readonly string[];
  /** Text that may be the beginning of a stop text. */
  #held = '';

  /** @param stops the stop texts, none of them empty */
  constructor(stops: readonly string[]) {
    this.#stops = stops;
  }

  /** Adds a piece. After `stopped` nothing may be added. */
  push(piece: string): StopResult {
    const text = this.#held + piece;
    let start = Infinity;
    let held = 0;
    for (const stop of this.#stops) {
      const index = text.indexOf(stop);
      if (index >= 0) start = Math.min(start, index);
      held = Math.max(held, overlap(text, stop));
    }
    if (start < Infinity) {
      this.#held = '';
      return { text: text.slice(0, start), stopped: true };
    }
    this.#held = text.slice(text.length - held);
    return { text: text.slice(0, text.length - held), stopped: false };
  }

  /** Returns the text that was held back, when nothing follows. */
  flush(): string {
    const text = this.#held;
    this.#held = '';
    return text;
  }
}

/** Returns the number of characters at the end of `text` that begin `stop`, less than all of it. */
function overlap(text: string, stop: string): number {
  for (let length = Math.min(text.length, stop.length - 1); length > 0; length -= 1) {
    if (text.endsWith(stop.slice(0, length))) return length;
  }
  return 0;
}
