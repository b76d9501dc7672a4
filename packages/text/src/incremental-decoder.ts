/** Decodes tokens as they arrive, for streaming. */
import type { Tokenizer } from './tokenizer.ts';

/** The character that a decoder shows for bytes that are no character, and so for one that is not complete yet. */
const replacement = '\uFFFD';

/**
 * Turns one sequence of tokens into pieces of text. No piece ends within a character, and all pieces with the last
 * {@link flush} make up exactly the decoded sequence.
 *
 * A token's text depends on its neighbours (bytes of one character, a space that only the first word loses), so a window
 * is decoded: the tokens of the last piece, which are context, and those without text yet.
 */
export class IncrementalDecoder {
  readonly #tokenizer: Pick<Tokenizer, 'decode'>;
  #window: number[] = [];
  /** Tokens of the window that were emitted, and their text. */
  #emittedTokens = 0;
  #emittedText = '';

  constructor(tokenizer: Pick<Tokenizer, 'decode'>) {
    this.#tokenizer = tokenizer;
  }

  /** Returns the text that `token` completes; it is empty while a character is incomplete. */
  push(token: number): string {
    this.#window.push(token);
    const text = this.#tokenizer.decode(this.#window);
    if (text.endsWith(replacement) || text.length <= this.#emittedText.length) return '';
    const piece = text.slice(this.#emittedText.length);
    this.#advance();
    return piece;
  }

  /** Returns the rest when no token follows: the replacement characters of an incomplete one. */
  flush(): string {
    const piece = this.#tokenizer.decode(this.#window).slice(this.#emittedText.length);
    this.#window = [];
    this.#emittedTokens = 0;
    this.#emittedText = '';
    return piece;
  }

  /** Forgets the old context and makes the piece just emitted the context of the next. */
  #advance(): void {
    this.#window = this.#window.slice(this.#emittedTokens);
    this.#emittedTokens = this.#window.length;
    this.#emittedText = this.#tokenizer.decode(this.#window);
  }
}
