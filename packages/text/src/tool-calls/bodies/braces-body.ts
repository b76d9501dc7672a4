/** Parses `call:name{key:value,…}`, the notation of Gemma, in which a mark stands around strings and keys have no quotes. */
import type { JsonValue } from '@agent-lightning/core';

import { isJson, writeJsonObject } from '../json-source.ts';
import { itemSchema, memberSchema, writeTypedValue } from '../tool-schemas.ts';
import type { ParseBody } from './body.ts';

/** The most brackets within each other; what is deeper is not read. */
const maxDepth = 100;

/** A schema for the members of an object, by name. */
type FindSchema = (key: string) => JsonValue | undefined;

/**
 * Returns the parser for strings between `quote` marks. Of a call that the answer's end cut off, the arguments are read up to
 * there.
 */
export function parseBraces(quote: string): ParseBody {
  return (body, { tools, isClosed }) => {
    const head = /^\s*(?:call)?:?\s*([^\s{}():<>"]+)\s*\{/.exec(body);
    const name = head?.[1];
    if (head === null || name === undefined) return undefined;
    const reader = new BracesReader(body, head[0].length, quote);
    const members = reader.readMembers((key) => tools.find(name, key));
    if (isClosed && !reader.isComplete) return undefined;
    return [{ name, arguments: writeJsonObject(members) }];
  };
}

/** Reads one body from its first brace on. */
class BracesReader {
  readonly #text: string;
  readonly #quote: string;
  #at: number;
  /** The brackets that are open; the first one is open at the start. */
  #open = 1;

  constructor(text: string, at: number, quote: string) {
    this.#text = text;
    this.#at = at;
    this.#quote = quote;
  }

  /** True when every bracket was closed and nothing follows. */
  get isComplete(): boolean {
    return this.#open === 0 && this.#text.slice(this.#at).trim() === '';
  }

  readMembers(find: FindSchema): ReadonlyMap<string, string> {
    const members = new Map<string, string>();
    while (!this.#takeClose('}')) {
      const key = this.#readUntil([':']).trim();
      if (this.#text[this.#at] !== ':') break;
      this.#at += 1;
      this.#skipBlanks();
      const name = key.split(this.#quote).join('');
      const value = this.#readValue(find(name));
      if (value === undefined) break;
      members.set(name, value);
    }
    return members;
  }

  #readItems(schema: JsonValue | undefined): readonly string[] {
    const items: string[] = [];
    while (!this.#takeClose(']')) {
      const value = this.#readValue(schema);
      if (value === undefined) break;
      items.push(value);
    }
    return items;
  }

  /** Returns the JSON text of a value; undefined where there is none. */
  #readValue(schema: JsonValue | undefined): string | undefined {
    if (this.#text.startsWith(this.#quote, this.#at)) return writeTypedValue(this.#readString(), schema);
    const letter = this.#text[this.#at];
    if (letter === '{' || letter === '[') {
      if (this.#open > maxDepth) return undefined;
      this.#at += 1;
      this.#open += 1;
      return letter === '{'
        ? writeJsonObject(this.readMembers((key) => memberSchema(schema, key)))
        : `[${this.#readItems(itemSchema(schema)).join(', ')}]`;
    }
    const literal = this.#readUntil([',', '}', ']']).trim();
    if (literal === '') return undefined;
    return schema === undefined && isJson(literal) ? literal : writeTypedValue(literal, schema);
  }

  #readString(): string {
    const from = this.#at + this.#quote.length;
    const end = this.#text.indexOf(this.#quote, from);
    this.#at = end < 0 ? this.#text.length : end + this.#quote.length;
    return this.#text.slice(from, end < 0 ? undefined : end);
  }

  #readUntil(letters: readonly string[]): string {
    const from = this.#at;
    while (this.#at < this.#text.length && !letters.includes(this.#text[this.#at] as string)) this.#at += 1;
    return this.#text.slice(from, this.#at);
  }

  #skipBlanks(): void {
    while (/[\s,]/.test(this.#text[this.#at] ?? '')) this.#at += 1;
  }

  /** Steps over a closing bracket, and over what separates values before it; returns true at the end of the text too. */
  #takeClose(bracket: '}' | ']'): boolean {
    this.#skipBlanks();
    if (this.#text[this.#at] !== bracket) return this.#at >= this.#text.length;
    this.#at += 1;
    this.#open -= 1;
    return true;
  }
}
