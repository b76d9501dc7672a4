import { randomUUID } from 'node:crypto';

/** Part of an assistant message, as a delta of the wire has it. */
export interface TextDelta {
  readonly content?: string;
  readonly tool_calls?: readonly ToolCallDelta[];
}

export interface ToolCallDelta {
  readonly index: number;
  readonly id: string;
  readonly type: 'function';
  readonly function: { readonly name: string; readonly arguments: string };
}

const open = '<tool_call>';
const close = '</tool_call>';

/**
 * Reads tool calls out of sampled text, piece by piece: `<tool_call>{"name": …, "arguments": {…}}</tool_call>`, as
 * Hermes and Qwen templates teach it. Text that is no such call stays content; blanks around calls mean nothing.
 */
export class ToolCallText {
  #rest = '';
  #isInside = false;
  #blanks = '';
  #calls = 0;

  get calls(): number {
    return this.#calls;
  }

  /** What these characters complete; an empty delta while a mark or a call may still be coming. */
  push(text: string): TextDelta {
    this.#rest += text;
    let content = '';
    const calls: ToolCallDelta[] = [];
    for (;;) {
      const at = this.#rest.indexOf(this.#isInside ? close : open);
      if (at < 0) break;
      const before = this.#rest.slice(0, at);
      this.#rest = this.#rest.slice(at + (this.#isInside ? close : open).length);
      if (this.#isInside) {
        const call = this.#parse(before);
        if (call === undefined) content += this.#content(`${open}${before}${close}`);
        else {
          this.#blanks = '';
          calls.push(call);
        }
      } else content += this.#content(before);
      this.#isInside = !this.#isInside;
    }
    if (!this.#isInside) content += this.#content(this.#takeSafe());
    return delta(content, calls);
  }

  /** What was held back and turned out to be mere text. */
  end(): TextDelta {
    const rest = this.#isInside ? `${open}${this.#rest}` : this.#rest;
    this.#rest = '';
    const content = this.#content(rest);
    const blanks = this.#calls === 0 ? this.#blanks : '';
    this.#blanks = '';
    return delta(content + blanks, []);
  }

  /** The text before a tail that may be the beginning of a mark. */
  #takeSafe(): string {
    let held = Math.min(this.#rest.length, open.length - 1);
    while (held > 0 && !open.startsWith(this.#rest.slice(-held))) held -= 1;
    const safe = this.#rest.slice(0, this.#rest.length - held);
    this.#rest = this.#rest.slice(this.#rest.length - held);
    return safe;
  }

  /** Blanks wait until something other than a call follows them. */
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

  #parse(text: string): ToolCallDelta | undefined {
    try {
      const { name, arguments: given } = JSON.parse(text) as { name?: unknown; arguments?: unknown };
      if (typeof name !== 'string') return undefined;
      const argumentsText = typeof given === 'string' ? given : JSON.stringify(given ?? {});
      const id = `call_${randomUUID().replaceAll('-', '').slice(0, 24)}`;
      return { index: this.#calls++, id, type: 'function', function: { name, arguments: argumentsText } };
    } catch {
      return undefined;
    }
  }
}

function delta(content: string, calls: readonly ToolCallDelta[]): TextDelta {
  return { ...(content === '' ? {} : { content }), ...(calls.length === 0 ? {} : { tool_calls: calls }) };
}
