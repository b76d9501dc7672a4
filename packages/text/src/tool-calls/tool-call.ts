/** Defines the results of reading tool calls, for every format. */

/** A tool call that was read. */
export interface ToolCall {
  readonly name: string;
  /** JSON text. */
  readonly arguments: string;
}

/** The content and calls that some text completed; both may be empty while a mark or a call may still follow. */
export interface ReadText {
  readonly content: string;
  readonly calls: readonly ToolCall[];
}

/** Reads one answer, piece by piece; what it reads does not depend on where the pieces are cut. */
export interface ToolCallReader {
  push(text: string): ReadText;
  /** Returns the text that was held back, or a call that only the end of the answer completed. */
  end(): ReadText;
}

/** Parses a JSON object; returns undefined when the text is none. */
export function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
