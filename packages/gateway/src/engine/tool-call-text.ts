import { randomUUID } from 'node:crypto';
import type { ToolCallFormat } from '@agent-lightning/core';
import {
  createToolCallReader,
  type ReadText,
  type ToolCallReader,
  type ToolCallReaderOptions,
} from '@agent-lightning/text';

/** Part of an assistant message, as a delta has it. */
export interface TextDelta {
  readonly content?: string;
  /** A thought, under the two names that servers have for it. */
  readonly reasoning?: string;
  readonly reasoning_content?: string;
  readonly tool_calls?: readonly ToolCallDelta[];
}

export interface ToolCallDelta {
  readonly index: number;
  readonly id: string;
  readonly type: 'function';
  readonly function: { readonly name: string; readonly arguments: string };
}

/** Reads tool calls out of sampled text, piece by piece, and gives them indices and ids. */
export class ToolCallText {
  readonly #reader: ToolCallReader;
  #calls = 0;

  /** Thoughts in `<think>` tags stay in the content, where templates find them when the answer comes back as history. */
  constructor(format: ToolCallFormat, options: Omit<ToolCallReaderOptions, 'thinkTags'> = {}) {
    this.#reader = createToolCallReader(format, { ...options, thinkTags: 'content' });
  }

  get calls(): number {
    return this.#calls;
  }

  /** Returns the delta that these characters complete; it is empty while a mark or a call may still be coming. */
  push(text: string): TextDelta {
    return this.#delta(this.#reader.push(text));
  }

  /** Returns the text that was held back because it could have become a tool call. */
  end(): TextDelta {
    return this.#delta(this.#reader.end());
  }

  #delta({ content, thought, calls }: ReadText): TextDelta {
    const deltas = calls.map((call) => ({
      index: this.#calls++,
      id: `call_${randomUUID().replaceAll('-', '').slice(0, 24)}`,
      type: 'function' as const,
      function: call,
    }));
    return {
      ...(content === '' ? {} : { content }),
      ...(thought === '' ? {} : { reasoning: thought, reasoning_content: thought }),
      ...(deltas.length === 0 ? {} : { tool_calls: deltas }),
    };
  }
}
