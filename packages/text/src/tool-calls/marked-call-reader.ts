/** Reads tool calls that stand between an opening and a closing mark, among text. */
import type { ReadText, ToolCall, ToolCallReader } from './tool-call.ts';

export interface CallMarks {
  readonly open: string;
  readonly close: string;
  /** Parses the text between the marks; returns undefined when it is no call. */
  readonly parse: (text: string) => ToolCall | undefined;
}

/** Reads calls between marks; blanks around calls mean nothing. */
export class MarkedCallReader implements ToolCallReader {
  readonly #marks: CallMarks;
  #rest = '';
  #isInside = false;
  #blanks = '';
  #hasCalls = false;

  constructor(marks: CallMarks) {
    this.#marks = marks;
  }

  push(text: string): ReadText {
    const { open, close, parse } = this.#marks;
    this.#rest += text;
    let content = '';
    const calls: ToolCall[] = [];
    for (;;) {
      const mark = this.#isInside ? close : open;
      const at = this.#rest.indexOf(mark);
      if (at < 0) break;
      const before = this.#rest.slice(0, at);
      this.#rest = this.#rest.slice(at + mark.length);
      const call = this.#isInside ? parse(before) : undefined;
      if (call !== undefined) {
        this.#blanks = '';
        this.#hasCalls = true;
        calls.push(call);
      } else content += this.#content(this.#isInside ? `${open}${before}${close}` : before);
      this.#isInside = !this.#isInside;
    }
    if (!this.#isInside) content += this.#content(this.#takeSafe());
    return { content, calls };
  }

  end(): ReadText {
    const rest = this.#isInside ? `${this.#marks.open}${this.#rest}` : this.#rest;
    this.#rest = '';
    this.#isInside = false;
    const content = this.#content(rest);
    const blanks = this.#hasCalls ? '' : this.#blanks;
    this.#blanks = '';
    return { content: content + blanks, calls: [] };
  }

  /** Returns the text before an end that may be the beginning of a mark. */
  #takeSafe(): string {
    const { open } = this.#marks;
    let held = Math.min(this.#rest.length, open.length - 1);
    while (held > 0 && !open.startsWith(this.#rest.slice(-held))) held -= 1;
    const safe = this.#rest.slice(0, this.#rest.length - held);
    this.#rest = this.#rest.slice(this.#rest.length - held);
    return safe;
  }

  /** Holds back blanks until something other than a call follows them. */
  #content(text: string): string {
    const trimmed = text.trimEnd();
    const blanks = this.#blanks;
    if (trimmed === '') {
      this.#blanks += text;
      return '';
    }
    this.#blanks = text.slice(trimmed.length);
    return blanks + trimmed;
  }
}
