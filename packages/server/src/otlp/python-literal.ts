import { LightningError, TraceError } from '@agent-lightning/core';

/** A value of a Python literal as JSON holds it; tuples and sets are lists. */
export type PythonValue =
  | string
  | number
  | boolean
  | null
  | readonly PythonValue[]
  | { readonly [key: string]: PythonValue };

const deepest = 64;
const constants: readonly (readonly [string, PythonValue])[] = [
  ['None', null],
  ['True', true],
  ['False', false],
  ['null', null],
  ['true', true],
  ['false', false],
  ['nan', NaN],
  ['-inf', -Infinity],
  ['inf', Infinity],
];
const closers: Readonly<Record<string, string>> = { '[': ']', '(': ')', '{': '}' };
const escapes: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  b: '\b',
  f: '\f',
  v: '\v',
  a: '\u0007',
  '0': '\0',
};

/**
 * Reads what Python's `repr` wrote of lists, tuples, dicts, texts and numbers, as LiteLLM puts replies into attributes. JSON is read too.
 * Returns undefined for anything else.
 */
export function readPythonLiteral(text: string): PythonValue | undefined {
  const reader = new LiteralReader(text);
  try {
    const value = reader.readValue(0);
    return reader.isAtEnd() ? value : undefined;
  } catch (error) {
    if (LightningError.isInstance(error)) return undefined;
    throw error;
  }
}

/** Returns the error that ends the reading of a text that is no literal; it never leaves this file. */
function notALiteral(): TraceError {
  return new TraceError('the text is no Python literal', { code: 'span-invalid' });
}

class LiteralReader {
  readonly #text: string;
  #at: number = 0;

  constructor(text: string) {
    this.#text = text;
  }

  isAtEnd(): boolean {
    this.#skipBlanks();
    return this.#at === this.#text.length;
  }

  readValue(depth: number): PythonValue {
    if (depth > deepest) throw notALiteral();
    this.#skipBlanks();
    const first = this.#text[this.#at] ?? '';
    if (first === '{') return this.#readBraces(depth);
    if (first === '[' || first === '(') return this.#readItems(depth, closers[first] as string);
    if (first === "'" || first === '"') return this.#readText();
    for (const [word, value] of constants)
      if (this.#text.startsWith(word, this.#at)) {
        this.#at += word.length;
        return value;
      }
    return this.#readNumber();
  }

  /** Reads a dict, or a set, which has no colons. */
  #readBraces(depth: number): PythonValue {
    this.#at++;
    if (this.#takes('}')) return {};
    const first = this.readValue(depth + 1);
    if (!this.#takes(':')) return this.#readRest([first], depth, '}');
    const entries: [string, PythonValue][] = [[String(first), this.readValue(depth + 1)]];
    while (this.#takes(',')) {
      if (this.#takes('}')) return Object.fromEntries(entries);
      const key = String(this.readValue(depth + 1));
      if (!this.#takes(':')) throw notALiteral();
      entries.push([key, this.readValue(depth + 1)]);
    }
    if (!this.#takes('}')) throw notALiteral();
    return Object.fromEntries(entries);
  }

  #readItems(depth: number, closer: string): readonly PythonValue[] {
    this.#at++;
    if (this.#takes(closer)) return [];
    return this.#readRest([this.readValue(depth + 1)], depth, closer);
  }

  /** Reads the items after the first one. */
  #readRest(items: PythonValue[], depth: number, closer: string): readonly PythonValue[] {
    while (this.#takes(',')) {
      if (this.#takes(closer)) return items;
      items.push(this.readValue(depth + 1));
    }
    if (!this.#takes(closer)) throw notALiteral();
    return items;
  }

  #readText(): string {
    const quote = this.#text[this.#at++] as string;
    const parts: string[] = [];
    let from = this.#at;
    for (; this.#at < this.#text.length; this.#at++) {
      const character = this.#text[this.#at];
      if (character === quote) {
        parts.push(this.#text.slice(from, this.#at++));
        return parts.join('');
      }
      if (character !== '\\') continue;
      parts.push(this.#text.slice(from, this.#at), this.#readEscape());
      from = this.#at + 1;
    }
    throw notALiteral();
  }

  /** Reads an escape, and leaves the position at its last character. */
  #readEscape(): string {
    const letter = this.#text[++this.#at] ?? '';
    const digits = { x: 2, u: 4, U: 8 }[letter];
    if (digits === undefined) return escapes[letter] ?? letter;
    const code = this.#text.slice(this.#at + 1, this.#at + 1 + digits);
    if (!/^[0-9a-fA-F]+$/u.test(code) || code.length < digits || parseInt(code, 16) > 0x10ffff) throw notALiteral();
    this.#at += digits;
    return String.fromCodePoint(parseInt(code, 16));
  }

  #readNumber(): number {
    const number = /[-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?/uy;
    number.lastIndex = this.#at;
    const found = number.exec(this.#text)?.[0];
    if (found === undefined) throw notALiteral();
    this.#at += found.length;
    return Number(found.replaceAll('_', ''));
  }

  #takes(character: string): boolean {
    this.#skipBlanks();
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #skipBlanks(): void {
    while (/\s/u.test(this.#text[this.#at] ?? '')) this.#at++;
  }
}
