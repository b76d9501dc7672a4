/** Parses `[name(key=value, …), …]`, calls in the notation of Python, whose values are literals (LFM2). */
import { endsPythonString } from '../body-scanner.ts';
import { writeJsonObject } from '../json-source.ts';
import { writeNumber } from '../tool-schemas.ts';
import type { ToolCall } from '../tool-call.ts';
import type { ParseBody } from './body.ts';

/** The most brackets within each other; deeper text is no call. */
const maxDepth = 100;

/** Parses a list of calls. Each argument needs its name. */
export const parsePythonCalls: ParseBody = (body) => {
  try {
    const calls = new PythonReader(body.trim()).readCalls();
    return calls.length > 0 ? calls : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
};

const names: Readonly<Record<string, string>> = {
  None: 'null',
  null: 'null',
  True: 'true',
  true: 'true',
  False: 'false',
  false: 'false',
};
const escapes: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  b: '\b',
  f: '\f',
  v: '\v',
  a: '\x07',
  '\\': '\\',
  "'": "'",
  '"': '"',
  '\n': '',
};
const closing: Readonly<Record<string, string>> = { '[': ']', '(': ')', '{': '}' };

function notPython(): SyntaxError {
  return new SyntaxError('The text is no list of calls in the notation of Python.');
}

/** Reads the text from its start; each method leaves the place behind what it read. */
class PythonReader {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  readCalls(): readonly ToolCall[] {
    this.#expect('[');
    const calls = this.#readList(']', () => this.#readCall());
    if (this.#at < this.#text.length) throw notPython();
    return calls;
  }

  #readCall(): ToolCall {
    const name = this.#match(/[\p{L}_][\p{L}\p{N}_]*(?:\.[\p{L}_][\p{L}\p{N}_]*)*/uy);
    this.#expect('(');
    const members = this.#readList(')', () => {
      const key = this.#match(/[\p{L}_][\p{L}\p{N}_]*/uy);
      this.#expect('=');
      return [key, this.#readValue()] as const;
    });
    return { name, arguments: writeJsonObject(new Map(members)) };
  }

  /** Reads items and the commas between them, up to the closing bracket. */
  #readList<Item>(close: string, readItem: () => Item): Item[] {
    if ((this.#depth += 1) > maxDepth) throw notPython();
    const items: Item[] = [];
    while (!this.#take(close)) {
      if (items.length > 0) {
        this.#expect(',');
        if (this.#take(close)) break;
      }
      items.push(readItem());
    }
    this.#depth -= 1;
    return items;
  }

  /** Returns a value as JSON text. */
  #readValue(): string {
    this.#skipBlanks();
    const letter = this.#text[this.#at] ?? '';
    if (letter === '"' || letter === "'") return JSON.stringify(this.#readString());
    if (letter === '[' || letter === '(') {
      this.#at += 1;
      return `[${this.#readList(closing[letter] as string, () => this.#readValue()).join(', ')}]`;
    }
    if (letter === '{') return this.#readBraces();
    const word = this.#match(/[-+]?[\w.]+(?:(?<=[eE])[-+]\d+)?/y);
    const value = (Object.hasOwn(names, word) ? names[word] : undefined) ?? writeNumber(word);
    if (value === undefined) throw notPython();
    return value;
  }

  /** Reads a dictionary, or a set, which JSON writes as an array. */
  #readBraces(): string {
    this.#at += 1;
    let isDictionary = true;
    const members = this.#readList('}', () => {
      const key = this.#readValue();
      isDictionary = this.#take(':');
      return [key, isDictionary ? this.#readValue() : key] as const;
    });
    if (!isDictionary) return `[${members.map(([item]) => item).join(', ')}]`;
    return writeJsonObject(new Map(members.map(([key, value]) => [readKey(key), value])));
  }

  #readString(): string {
    const quote = this.#match(/'''|"""|'|"/y);
    let text = '';
    while (!this.#endsString(quote)) {
      if (this.#at >= this.#text.length) throw notPython();
      text += this.#text[this.#at] === '\\' ? this.#readEscape() : this.#text[this.#at++];
    }
    this.#at += quote.length;
    return text;
  }

  #endsString(quote: string): boolean {
    const isQuote = this.#text.startsWith(quote, this.#at);
    return isQuote && endsPythonString(this.#text, this.#at + quote.length - 1) === true;
  }

  #readEscape(): string {
    const code = /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([^]))/y;
    code.lastIndex = this.#at;
    const found = code.exec(this.#text);
    if (found === null) throw notPython();
    this.#at = code.lastIndex;
    const [all, byte, unit, point, letter = ''] = found;
    const digits = byte ?? unit ?? point;
    if (digits === undefined) return Object.hasOwn(escapes, letter) ? (escapes[letter] as string) : all;
    const value = Number.parseInt(digits, 16);
    if (value > 0x10_ff_ff) throw notPython();
    return String.fromCodePoint(value);
  }

  #match(pattern: RegExp): string {
    this.#skipBlanks();
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found === null) throw notPython();
    this.#at = pattern.lastIndex;
    return found[0];
  }

  #expect(letter: string): void {
    if (!this.#take(letter)) throw notPython();
  }

  #take(letter: string): boolean {
    this.#skipBlanks();
    if (this.#text[this.#at] !== letter) return false;
    this.#at += 1;
    return true;
  }

  #skipBlanks(): void {
    while (/\s/.test(this.#text[this.#at] ?? '')) this.#at += 1;
  }
}

/** Returns the name of a member; numbers and constants as names are written as JSON has them, and a list is none. */
function readKey(source: string): string {
  if (source.startsWith('[') || source.startsWith('{')) throw notPython();
  return source.startsWith('"') ? (JSON.parse(source) as string) : source;
}
