/** Reads calls that stand between marks, among text. */
import type { ParseBody } from './bodies/body.ts';
import { BodyScanner, type BodySyntax } from './body-scanner.ts';
import { createReadText, firstMark, heldLength, type Draft } from './read-text.ts';
import type { ReadText, ToolCallReader } from './tool-call.ts';
import type { ToolSchemas } from './tool-schemas.ts';

/** The marks around a thought. */
export interface ThoughtMarks {
  readonly open: string;
  readonly close: string;
  /** `start`: only the beginning of an answer is a thought, the mark is text elsewhere. `channel`: wherever the mark stands. */
  readonly place: 'start' | 'channel';
}

/** Declares one way in which a format marks a call. */
export interface CallSyntax {
  /** The mark that begins a call. */
  readonly open: string;
  readonly close: BodySyntax['close'];
  readonly strings: BodySyntax['strings'];
  readonly parse: ParseBody;
}

/** Declares how a format marks its calls and thoughts. */
export interface MarkedSyntax {
  readonly calls: readonly CallSyntax[];
  /** Marks around calls that mean nothing by themselves; they are left out. @default none */
  readonly frame?: readonly string[];
  readonly thought?: ThoughtMarks;
  /** Further marks that are tokens of their own, within bodies or longer marks. @default none */
  readonly otherTokens?: readonly string[];
}

export interface MarkedReaderOptions {
  readonly tools: ToolSchemas;
  readonly isThinking: boolean;
  /** True when thoughts at the start stay in the content, marks included. */
  readonly keepsThinkTags: boolean;
}

/** A call that is being read. */
interface OpenCall {
  readonly syntax: CallSyntax;
  readonly body: BodyScanner;
}

/** Reads calls between marks; blanks around calls mean nothing. */
export class MarkedCallReader implements ToolCallReader {
  readonly #syntax: MarkedSyntax;
  readonly #options: MarkedReaderOptions;
  readonly #opens: readonly string[];
  #rest = '';
  #isThinking: boolean;
  #call: OpenCall | undefined;
  /** An opening mark that another one follows: the two are one when a call comes, and text otherwise. */
  #doubled = '';
  #blanks = '';
  #hasCalls = false;
  /** True until anything but blanks was read. */
  #isAtStart = true;

  constructor(syntax: MarkedSyntax, options: MarkedReaderOptions) {
    this.#syntax = syntax;
    this.#options = options;
    this.#opens = syntax.calls.map(({ open }) => open);
    this.#isThinking = options.isThinking;
  }

  push(text: string): ReadText {
    const read = createReadText();
    this.#rest += text;
    while (this.#readNext(read));
    return read;
  }

  /** Reads up to the next change between content, thought and call; returns false when more text is needed. */
  #readNext(read: Draft): boolean {
    if (this.#call !== undefined) return this.#readCall(read);
    return this.#isThinking ? this.#readThought(read) : this.#readContent(read);
  }

  end(): ReadText {
    const read = createReadText();
    const rest = this.#rest;
    this.#rest = '';
    if (this.#call !== undefined) this.#addCalls(this.#call, this.#call.body.text, '', false, read);
    else if (this.#isThinking) this.#addThought(rest, read);
    else this.#addContent(rest, read);
    if (!this.#hasCalls) read.content += this.#blanks;
    this.#blanks = '';
    return read;
  }

  /** Reads up to the next mark; returns false when more text is needed. */
  #readContent(read: Draft): boolean {
    const { calls, frame = [], thought } = this.#syntax;
    const canThink = thought !== undefined && (thought.place === 'channel' || this.#isAtStart);
    const marks = [...this.#opens, ...frame, ...(canThink ? [thought.open] : [])];
    const found = firstMark(this.#rest, marks);
    if (found === undefined) {
      this.#addContent(this.#take(this.#rest.length - heldLength(this.#rest, marks)), read);
      return false;
    }
    const before = this.#take(found.at);
    this.#addContent(before, read);
    this.#take(found.mark.length);
    const call = calls.find(({ open }) => open === found.mark);
    if (call !== undefined) this.#beginCall(call);
    else if (thought?.open === found.mark && (thought.place === 'channel' || this.#isAtStart)) this.#beginThought(read);
    else if (!frame.includes(found.mark)) this.#addContent(found.mark, read);
    return true;
  }

  #beginThought(read: Draft): void {
    this.#isThinking = true;
    if (this.#keepsThoughts) this.#addContent(this.#syntax.thought?.open ?? '', read);
    this.#isAtStart = false;
  }

  #readThought(read: Draft): boolean {
    const close = this.#syntax.thought?.close ?? '';
    const at = this.#rest.indexOf(close);
    if (at < 0) {
      this.#addThought(this.#take(this.#rest.length - heldLength(this.#rest, [close])), read);
      return false;
    }
    this.#addThought(this.#take(at), read);
    this.#take(close.length);
    this.#isThinking = false;
    this.#isAtStart = false;
    if (this.#keepsThoughts) this.#addContent(close, read);
    return true;
  }

  #addThought(text: string, read: Draft): void {
    if (this.#keepsThoughts) this.#addContent(text, read);
    else read.thought += text;
  }

  get #keepsThoughts(): boolean {
    return this.#options.keepsThinkTags && this.#syntax.thought?.place === 'start';
  }

  #beginCall(syntax: CallSyntax): void {
    const { close, strings } = syntax;
    const next = this.#opens.filter((open) => typeof strings === 'string' || open !== strings.open);
    this.#isAtStart = false;
    this.#call = { syntax, body: new BodyScanner({ close, next, strings }) };
  }

  #readCall(read: Draft): boolean {
    const call = this.#call;
    const end = call?.body.push(this.#take(this.#rest.length));
    if (call === undefined || end === undefined) return false;
    this.#call = undefined;
    const { body, mark, rest } = end;
    const isNext = this.#opens.includes(mark);
    this.#rest = isNext ? mark + rest : rest;
    if (isNext && body.trim() === '') this.#doubled += call.syntax.open + body;
    else this.#addCalls(call, body, isNext ? '' : mark, true, read);
    return true;
  }

  #addCalls({ syntax }: OpenCall, body: string, close: string, isClosed: boolean, read: Draft): void {
    const calls = syntax.parse(body, { tools: this.#options.tools, isClosed });
    const doubled = this.#doubled;
    this.#doubled = '';
    if (calls === undefined) return this.#addContent(`${doubled}${syntax.open}${body}${close}`, read);
    this.#blanks = '';
    this.#hasCalls = true;
    read.calls.push(...calls);
  }

  #take(length: number): string {
    const text = this.#rest.slice(0, length);
    this.#rest = this.#rest.slice(length);
    return text;
  }

  /** Adds content, and holds back blanks until something other than a call follows them. */
  #addContent(text: string, read: Draft): void {
    const trimmed = text.trimEnd();
    if (trimmed === '') {
      this.#blanks += text;
      return;
    }
    this.#isAtStart = false;
    read.content += this.#blanks + trimmed;
    this.#blanks = text.slice(trimmed.length);
  }
}
