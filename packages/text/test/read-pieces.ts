import type { ReadText, ToolCallReader } from '../src/index.ts';

/** Reads the pieces of an answer, and joins what they gave. */
export function readPieces(reader: ToolCallReader, pieces: readonly string[]): ReadText {
  const parts = [...pieces.map((piece) => reader.push(piece)), reader.end()];
  return {
    content: parts.map((part) => part.content).join(''),
    thought: parts.map((part) => part.thought).join(''),
    calls: parts.flatMap((part) => part.calls),
  };
}
