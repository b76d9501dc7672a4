/** Reads answers that consist of messages with headers, which say whom each message is for. */
import type { ParseBody } from './bodies/body.ts';
import { createReadText, firstMark, heldLength, type Draft } from './read-text.ts';
import type { ReadText, ToolCallReader } from './tool-call.ts';
import type { ToolSchemas } from './tool-schemas.ts';

/** Says what a message is, by its header. */
export type MessageKind =
  | { readonly kind: 'content' }
  | { readonly kind: 'thought' }
  | { readonly kind: 'call'; readonly parse: ParseBody };

/** Declares how a format frames its messages. */
export interface ChannelSyntax {
  /** The mark that begins a header. The prompt ends with the first one, so an answer begins within a header. */
  readonly start: string;
  /** The mark that ends a header. */
  readonly message: string;
  /** The marks that end a message. */
  readonly ends: readonly string[];
  /** The marks within a header. */
  readonly inHeader: readonly string[];
  /** Returns what a message is; undefined when the text is no header, so that the answer is not framed. */
  readonly classify: (header: string) => MessageKind | undefined;
}

/** The most characters of a header; longer text is an answer without a frame. */
const longestHeader = 400;

/** Reads one answer. Thoughts, and texts, of several messages are separated by a line break. */
export class ChannelReader implements ToolCallReader {
  readonly #syntax: ChannelSyntax;
  readonly #tools: ToolSchemas;
  #rest = '';
  #kind: MessageKind | undefined;
  /** The header of the message, marks included, and the body of a call so far. */
  #header = '';
  #body = '';
  /** True until the message has text, so that a line break separates it from an earlier one. */
  #isFresh = true;
  readonly #hasText = { content: false, thought: false };

  constructor(syntax: ChannelSyntax, tools: ToolSchemas) {
    this.#syntax = syntax;
    this.#tools = tools;
  }

  push(text: string): ReadText {
    const read = createReadText();
    this.#rest += text;
    while (this.#kind === undefined ? this.#readHeader(read) : this.#readBody(this.#kind, read));
    return read;
  }

  end(): ReadText {
    const read = createReadText();
    const rest = this.#take(this.#rest.length);
    if (this.#kind === undefined) this.#add('content', rest.trim() === '' ? '' : rest, read);
    else this.#addPart(this.#kind, rest, read);
    if (this.#kind !== undefined) this.#endMessage(this.#kind, '', false, read);
    return read;
  }

  #readHeader(read: Draft): boolean {
    const { message, classify } = this.#syntax;
    const most = longestHeader + message.length;
    const at = this.#rest.slice(0, most).indexOf(message);
    if (at < 0 && this.#rest.length < most) return false;
    const kind = at < 0 ? undefined : classify(this.#rest.slice(0, at));
    this.#isFresh = true;
    this.#header = at < 0 ? '' : this.#take(at + message.length);
    // Text without a header is an answer without a frame: nothing of it is lost.
    if (kind === undefined) this.#add('content', this.#header, read);
    this.#kind = kind ?? { kind: 'content' };
    return true;
  }

  #readBody(kind: MessageKind, read: Draft): boolean {
    const { ends, start } = this.#syntax;
    const marks = [...ends, start];
    const found = firstMark(this.#rest, marks);
    if (found === undefined) {
      this.#addPart(kind, this.#take(this.#rest.length - heldLength(this.#rest, marks)), read);
      return false;
    }
    this.#addPart(kind, this.#take(found.at), read);
    if (found.mark !== start) this.#take(found.mark.length);
    this.#endMessage(kind, found.mark === start ? '' : found.mark, true, read);
    return true;
  }

  #addPart(kind: MessageKind, text: string, read: Draft): void {
    if (kind.kind === 'call') this.#body += text;
    else this.#add(kind.kind, text, read);
  }

  #endMessage(kind: MessageKind, end: string, isClosed: boolean, read: Draft): void {
    if (kind.kind === 'call') {
      const calls = kind.parse(this.#body, { tools: this.#tools, isClosed });
      if (calls === undefined) this.#add('content', `${this.#header}${this.#body}${end}`, read);
      else read.calls.push(...calls);
    }
    this.#body = '';
    this.#kind = undefined;
  }

  #add(kind: 'content' | 'thought', text: string, read: Draft): void {
    if (text === '') return;
    read[kind] += (this.#isFresh && this.#hasText[kind] ? '\n' : '') + text;
    this.#isFresh = false;
    this.#hasText[kind] = true;
  }

  #take(length: number): string {
    const text = this.#rest.slice(0, length);
    this.#rest = this.#rest.slice(length);
    return text;
  }
}
