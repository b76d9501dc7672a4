/** Finds where the body of a call ends, while it arrives: marks within its strings are text. */

/** Names the way in which a body writes strings: as JSON, as Python, or between two marks. */
export type StringSyntax = 'json' | 'python' | { readonly open: string; readonly close: string };

export interface BodySyntax {
  /** A mark that ends the body, or the pair of brackets that ends it when the first one is closed again. */
  readonly close: string | { readonly brackets: '{}' | '[]' };
  /** Marks that begin the next call, and end this one where its own end is missing. */
  readonly next: readonly string[];
  readonly strings: StringSyntax;
}

/** The end of a body. */
export interface BodyEnd {
  readonly body: string;
  /** The closing mark, or one of `next`; empty after a closing bracket, which belongs to the body. */
  readonly mark: string;
  /** The text behind the mark. */
  readonly rest: string;
}

/** Gathers one body, and looks at each character once. */
export class BodyScanner {
  readonly #syntax: BodySyntax;
  readonly #marks: readonly string[];
  /** The text that was looked at, in pieces: one long text would be copied for each of them. */
  readonly #scanned: string[] = [];
  #text = '';
  #at = 0;
  #depth = 0;
  /** The mark that ends the current string; undefined outside strings. */
  #quote: string | undefined;

  constructor(syntax: BodySyntax) {
    const { close, next, strings } = syntax;
    this.#syntax = syntax;
    this.#marks = [
      ...(typeof close === 'string' ? [close] : []),
      ...next,
      ...(typeof strings === 'string' ? [] : [strings.open]),
    ];
  }

  /** Returns everything that was added. */
  get text(): string {
    return this.#scanned.join('') + this.#text;
  }

  /** Adds text, and returns the end of the body when it has come. */
  push(piece: string): BodyEnd | undefined {
    this.#text += piece;
    const mark = this.#scan();
    this.#scanned.push(this.#text.slice(0, this.#at));
    if (mark === undefined) {
      this.#text = this.#text.slice(this.#at);
      this.#at = 0;
      return undefined;
    }
    return { body: this.#scanned.join(''), mark, rest: this.#text.slice(this.#at + mark.length) };
  }

  /** Steps to the end of the body and returns its mark; undefined when more text is needed. */
  #scan(): string | undefined {
    while (this.#at < this.#text.length) {
      if (this.#quote !== undefined) {
        if (!this.#stepInString(this.#quote)) return undefined;
        continue;
      }
      const { strings } = this.#syntax;
      const mark = this.#marks.find((candidate) => this.#text.startsWith(candidate, this.#at));
      if (mark === undefined) {
        if (this.#mayBegin(this.#marks)) return undefined;
        if (this.#step(this.#text[this.#at] as string)) return '';
      } else if (typeof strings !== 'string' && mark === strings.open) {
        this.#at += mark.length;
        this.#quote = strings.close;
      } else return mark;
    }
    return undefined;
  }

  /** Tells whether the rest of the text may become one of the marks when more arrives. */
  #mayBegin(marks: readonly string[]): boolean {
    const left = this.#text.length - this.#at;
    return marks.some((mark) => left < mark.length && this.#text.endsWith(mark.slice(0, left)));
  }

  /** Steps over a character outside strings; returns true when it closes the last bracket. */
  #step(letter: string): boolean {
    const { close, strings } = this.#syntax;
    this.#at += 1;
    if (letter === '"' || (letter === "'" && strings === 'python')) {
      if (typeof strings === 'string') this.#quote = letter;
    } else if (typeof close !== 'string') {
      if (letter === close.brackets[0]) this.#depth += 1;
      else if (letter === close.brackets[1]) return (this.#depth -= 1) <= 0;
    }
    return false;
  }

  /** Steps over a character of a string, or its end; returns false when more text is needed to tell. */
  #stepInString(quote: string): boolean {
    const { strings } = this.#syntax;
    if (this.#text.startsWith(quote, this.#at)) {
      const isEnd = strings === 'python' ? endsPythonString(this.#text, this.#at) : true;
      if (isEnd === undefined) return false;
      this.#at += quote.length;
      if (isEnd) this.#quote = undefined;
    } else if (this.#mayBegin([quote])) return false;
    else if (typeof strings === 'string' && this.#text[this.#at] === '\\') {
      if (this.#at + 1 >= this.#text.length) return false;
      this.#at += 2;
    } else {
      // A JSON string holds no raw line break: the string is broken, and what follows may be a mark again.
      if (strings === 'json' && this.#text[this.#at] === '\n') this.#quote = undefined;
      this.#at += 1;
    }
    return true;
  }
}

/**
 * Tells whether a quote ends a string of Python: what follows a value must follow. Templates of LFM2 write quotes within a string
 * without escaping them, and so do their models.
 *
 * @returns undefined when more text is needed
 */
export function endsPythonString(text: string, at: number): boolean | undefined {
  const next = /\S/g;
  next.lastIndex = at + 1;
  const found = next.exec(text);
  return found === null ? undefined : ',)]}:'.includes(found[0]);
}
