/** Reads JSON text into values of templates: numbers keep their text, and members their order. */
import { templateError } from './template-error.ts';
import { Float, type Mapping, type Value } from './values.ts';

/** Deeper lists and objects are refused, as Python does near a thousand levels. */
const deepest = 500;
/** Longer integers are refused: Python's limit. */
const mostDigits = 4300;

/**
 * Reads what Python's `json.loads` reads, `NaN` and `Infinity` included.
 *
 * @throws {BackendError} `samples-invalid` for other text
 */
export function readJson(text: string): Value {
  const reader = new JsonReader(text);
  return reader.readWhole();
}

class JsonReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  readWhole(): Value {
    const value = this.#readValue(0);
    this.#take(/[ \t\n\r]*/y);
    if (this.#at < this.#text.length) throw this.#unexpected();
    return value;
  }

  #readValue(depth: number): Value {
    if (depth > deepest) throw templateError(`it is nested more than ${deepest} levels deep`);
    this.#take(/[ \t\n\r]*/y);
    const first = this.#text[this.#at];
    if (first === '{') return this.#readObject(depth);
    if (first === '[') return this.#readList(depth);
    if (first === '"') return this.#readText();
    const word = this.#take(/true|false|null/y);
    if (word !== undefined) return word === 'null' ? null : word === 'true';
    return this.#readNumber();
  }

  #readObject(depth: number): Mapping {
    const mapping: Mapping = new Map();
    this.#readItems('}', () => {
      this.#take(/[ \t\n\r]*/y);
      if (this.#text[this.#at] !== '"') throw this.#unexpected();
      const key = this.#readText();
      if (this.#take(/[ \t\n\r]*:/y) === undefined) throw this.#unexpected();
      mapping.set(key, this.#readValue(depth + 1));
    });
    return mapping;
  }

  #readList(depth: number): Value[] {
    const items: Value[] = [];
    this.#readItems(']', () => items.push(this.#readValue(depth + 1)));
    return items;
  }

  /** Reads items with commas between them, up to the closing bracket. */
  #readItems(close: '}' | ']', readItem: () => unknown): void {
    this.#at += 1;
    this.#take(/[ \t\n\r]*/y);
    if (this.#text[this.#at] === close) {
      this.#at += 1;
      return;
    }
    for (;;) {
      readItem();
      this.#take(/[ \t\n\r]*/y);
      const next = this.#text[this.#at];
      if (next !== ',' && next !== close) throw this.#unexpected();
      this.#at += 1;
      if (next === close) return;
    }
  }

  #readText(): string {
    // oxlint-disable-next-line no-control-regex
    const literal = this.#take(/"[^"\\\u0000-\u001f]*(?:\\(?:["\\/bfnrt]|u[\da-fA-F]{4})[^"\\\u0000-\u001f]*)*"/y);
    if (literal === undefined) throw this.#unexpected();
    return JSON.parse(literal) as string;
  }

  #readNumber(): Value {
    const source = this.#take(/-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?|NaN|-?Infinity/y);
    if (source === undefined) throw this.#unexpected();
    if (!/^-?\d+$/u.test(source)) return new Float(Number(source), source);
    if (source.length > mostDigits) throw templateError(`it has an integer of more than ${mostDigits} digits`);
    return source === '-0' ? new Float(-0, source) : BigInt(source);
  }

  /** Returns what matches here, and goes on behind it. */
  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    this.#at += found?.length ?? 0;
    return found;
  }

  #unexpected(): Error {
    const found = this.#text[this.#at];
    return templateError(
      found === undefined ? 'it ends too early' : `${JSON.stringify(found)} is unexpected at character ${this.#at}`,
    );
  }
}
