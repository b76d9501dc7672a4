/** Reads calls that begin the answer without a mark: `{"name": …, "parameters": {…}}`, separated by `;` (Llama 3). */
import { BodyScanner } from './body-scanner.ts';
import { readJsonObject, readJsonString } from './json-source.ts';
import { createReadText, type Draft } from './read-text.ts';
import type { ReadText, ToolCall, ToolCallReader } from './tool-call.ts';

/** A mark that may stand before a call; usually it is a special token. */
export const pythonTag = '<|python_tag|>';

/** Holds an answer as long as it consists of calls, and lets any other text pass from there on. */
export class BareCallReader implements ToolCallReader {
  /** Text after the last call that may still begin another one; undefined once other text came. */
  #held: string | undefined = '';
  #body: BodyScanner | undefined;
  #hasCalls = false;

  push(text: string): ReadText {
    const read = createReadText();
    let rest: string | undefined = text;
    while (rest !== undefined && this.#held !== undefined)
      rest = this.#body === undefined ? this.#readBetween(this.#held + rest) : this.#readBody(this.#body, rest, read);
    read.content += rest ?? '';
    return read;
  }

  end(): ReadText {
    const read = createReadText();
    const held = `${this.#held ?? ''}${this.#body?.text ?? ''}`;
    if (!this.#hasCalls || !/^\s*;?\s*$/.test(held)) read.content = held;
    this.#held = undefined;
    this.#body = undefined;
    return read;
  }

  /**
   * Reads what stands before a call: blanks, a mark, and a semicolon after another call.
   *
   * @returns the text of the call that begins, or all the text when none does; undefined when more is needed
   */
  #readBetween(text: string): string | undefined {
    const before = /^\s*;?\s*/.exec(text)?.[0] ?? '';
    const mayFollow = this.#hasCalls || !before.includes(';');
    const start = text.slice(before.length);
    const opens = (start.startsWith(pythonTag) ? start.slice(pythonTag.length) : start).trimStart();
    if (mayFollow && opens.startsWith('{')) {
      this.#held = text.slice(0, text.length - opens.length);
      this.#body = new BodyScanner({ close: { brackets: '{}' }, next: [], strings: 'json' });
      return opens;
    }
    const isOther = opens !== '' && !pythonTag.startsWith(start);
    this.#held = mayFollow && !isOther ? text : undefined;
    return this.#held === undefined ? text : undefined;
  }

  /** Reads on in a call, and returns the text behind it; when it is none, all the text that was held. */
  #readBody(scanner: BodyScanner, text: string, read: Draft): string | undefined {
    const end = scanner.push(text);
    if (end === undefined) return undefined;
    const call = parseCall(end.body);
    const held = this.#held;
    this.#body = undefined;
    this.#held = call === undefined ? undefined : '';
    if (call === undefined) return `${held ?? ''}${end.body}${end.rest}`;
    this.#hasCalls = true;
    read.calls.push(call);
    return end.rest;
  }
}

/** Parses one call; an object is one only when it has arguments, and they are an object. */
function parseCall(text: string): ToolCall | undefined {
  const members = readJsonObject(text);
  const name = readJsonString(members?.get('name'));
  const source = members?.get('arguments') ?? members?.get('parameters');
  return name !== undefined && source?.startsWith('{') === true ? { name, arguments: source } : undefined;
}
