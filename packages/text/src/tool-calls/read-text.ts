/** Gathers what a reader reads, and looks for marks in text that is still arriving. */
import type { ToolCall } from './tool-call.ts';

/** Holds what a reader has read so far of a piece. */
export interface Draft {
  content: string;
  thought: string;
  readonly calls: ToolCall[];
}

/** Creates an empty draft. */
export function createReadText(): Draft {
  return { content: '', thought: '', calls: [] };
}

/** Returns the mark that stands first in a text, and where. */
export function firstMark(
  text: string,
  marks: readonly string[],
): { readonly at: number; readonly mark: string } | undefined {
  let first: { readonly at: number; readonly mark: string } | undefined;
  for (const mark of marks) {
    const at = text.indexOf(mark);
    if (at >= 0 && at < (first?.at ?? Infinity)) first = { at, mark };
  }
  return first;
}

/** Returns the length of the longest end of a text that may be the beginning of a mark. */
export function heldLength(text: string, marks: readonly string[]): number {
  const longest = Math.max(...marks.map((mark) => mark.length)) - 1;
  for (let length = Math.min(longest, text.length); length > 0; length -= 1) {
    const end = text.slice(-length);
    if (marks.some((mark) => mark.startsWith(end))) return length;
  }
  return 0;
}
