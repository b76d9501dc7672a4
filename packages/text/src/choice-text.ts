/** Builds the text of one choice while its tokens arrive: without special tokens, in whole characters, cut at stop texts. */
import { IncrementalDecoder } from './incremental-decoder.ts';
import { StopMatcher } from './stop-matcher.ts';
import type { Tokenizer } from './tokenizer.ts';

/** The text that some tokens completed. */
export interface ChoicePiece {
  readonly text: string;
  /** The number of the tokens that belong to the choice: all, or those up to the one that completed a stop text. */
  readonly tokens: number;
  readonly stopped: boolean;
}

/** One choice of a generation. */
export class ChoiceText {
  /** True when the choice is finished and takes no more tokens. */
  ended = false;
  readonly #decoder: IncrementalDecoder;
  readonly #stops: StopMatcher;
  readonly #eosTokenIds: readonly number[];
  readonly #marks: ReadonlyMap<number, string>;

  /** @param marks special tokens that stay in the text, by id: those that a reader of tool calls must see */
  constructor(
    tokenizer: Tokenizer,
    stop: readonly string[],
    eosTokenIds: readonly number[],
    marks: ReadonlyMap<number, string> = new Map(),
  ) {
    this.#marks = marks;
    this.#decoder = new IncrementalDecoder(tokenizer);
    this.#stops = new StopMatcher(stop);
    this.#eosTokenIds = eosTokenIds;
  }

  /** Adds tokens. @param last true when no token follows, so that all text that was held back is returned */
  push(tokens: Int32Array, last: boolean): ChoicePiece {
    let shown = '';
    for (const [index, token] of tokens.entries()) {
      if (this.#eosTokenIds.includes(token)) continue; // ends the answer without being part of its text
      const { text, stopped } = this.#stops.push(this.#decode(token));
      shown += text;
      if (stopped) return this.#end(shown, index + 1, true);
    }
    if (!last) return { text: shown, tokens: tokens.length, stopped: false };
    const { text, stopped } = this.#stops.push(this.#decoder.flush());
    return this.#end(shown + text + this.#stops.flush(), tokens.length, stopped);
  }

  /** Returns the text that a token completes. A mark ends an incomplete character before it. */
  #decode(token: number): string {
    const mark = this.#marks.get(token);
    return mark === undefined ? this.#decoder.push(token) : this.#decoder.flush() + mark;
  }

  #end(text: string, tokens: number, stopped: boolean): ChoicePiece {
    this.ended = true;
    return { text, tokens, stopped };
  }
}
