/** Decodes tokens as they arrive, for streaming. */
import type { Tokenizer } from './tokenizer.ts';

/** The character that a decoder shows for bytes that are no character, and so for one that is not complete yet. */
const replacement = '\uFFFD';
/** A character has at most four bytes and a token at least one, so that an older token's text does not change. */
const longestCharacter = 4;

/**
 * Turns one sequence of tokens into pieces of text. No piece ends within a character, and all pieces with the last
 * {@link flush} make up exactly the decoded sequence.
 *
 * A token's text depends on its neighbours (bytes of one character, a space that only the first word loses), so a window
 * is decoded: some tokens before, which are context, and those without text yet. Bytes that are no character are final as soon
 * as others follow: only a replacement character at the end may still become a character. So the window stays short, whatever the tokens are.
 */
export class IncrementalDecoder {
  readonly #tokenizer: Pick<Tokenizer, 'decode' | 'hasText'>;
  #window: number[] = [];
  /** The tokens of the window whose text was emitted before the last of them came. */
  #contextTokens = 0;
  /** The length of the window's text that was emitted. */
  #emitted = 0;

  constructor(tokenizer: Pick<Tokenizer, 'decode' | 'hasText'>) {
    this.#tokenizer = tokenizer;
  }

  /** Returns the text that `token` completes; it is empty while a character is incomplete. */
  push(token: number): string {
    if (!this.#tokenizer.hasText(token)) return '';
    this.#window.push(token);
    const text = this.#tokenizer.decode(this.#window);
    if (text.length <= this.#emitted) return '';
    const isOpen = text.endsWith(replacement);
    const piece = text.slice(this.#emitted, isOpen ? -1 : undefined);
    if (isOpen) this.#keepOpen(text.length - 1);
    else this.#forget(this.#contextTokens, 0);
    return piece;
  }

  /** Returns the rest when no token follows: the replacement character of an incomplete one. */
  flush(): string {
    const piece = this.#tokenizer.decode(this.#window).slice(this.#emitted);
    this.#window = [];
    this.#contextTokens = 0;
    this.#emitted = 0;
    return piece;
  }

  /** Goes on with a character that may be incomplete, and forgets what is too old to be part of it. */
  #keepOpen(emitted: number): void {
    this.#emitted = emitted;
    const old = this.#window.length - longestCharacter;
    if (old >= longestCharacter) this.#forget(old, 1);
  }

  /** Drops the window's first tokens, and makes the others the context of what follows; the end of their text may be held back. */
  #forget(tokens: number, heldLength: number): void {
    this.#window = this.#window.slice(tokens);
    this.#contextTokens = this.#window.length;
    this.#emitted = this.#tokenizer.decode(this.#window).length - heldLength;
  }
}
