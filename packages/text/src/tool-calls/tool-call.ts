/** Defines what reading an answer gives, and what a reader is told, for every format. */
import type { JsonValue } from '@agent-lightning/core';

/** A tool call that was read. */
export interface ToolCall {
  readonly name: string;
  /** The arguments as JSON text. Where the model writes JSON, it is the model's own text: same digits, same order of keys. */
  readonly arguments: string;
}

/** The texts and calls that some text completed; all may be empty while a mark or a call may still follow. */
export interface ReadText {
  readonly content: string;
  /** Text that the model wrote for itself, without its marks. */
  readonly thought: string;
  readonly calls: readonly ToolCall[];
}

/** Reads one answer, piece by piece; what it reads does not depend on where the pieces are cut. */
export interface ToolCallReader {
  push(text: string): ReadText;
  /** Returns what was held back: text, or a call that only the end of the answer completed. */
  end(): ReadText;
}

export interface ToolCallReaderOptions {
  /**
   * The tools of the request, as the OpenAI dialect has them. Formats that write arguments as plain text take the types of
   * values from their schemas. @default none: such values stay strings
   */
  readonly tools?: readonly JsonValue[];
  /** True when the prompt ends within a thought, so that the answer begins there. @default false */
  readonly isThinking?: boolean;
  /**
   * Says where text between `<think>` and `</think>` goes: into `thought`, or into `content` as it was written, which templates read out
   * of the history again. Thoughts in a channel of their own, as Gemma 4 and gpt-oss have them, always go into `thought`.
   * @default 'thought'
   */
  readonly thinkTags?: 'thought' | 'content';
}
