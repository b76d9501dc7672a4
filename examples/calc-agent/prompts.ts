/** What the agent's model is told. Short, because the example's model is tiny. */
export const instructions = 'Use the calculator. End with "Answer: number".';

/** What the calculator says: at most 4 decimals. */
export function describeValue(value: number): string {
  return String(Number(value.toFixed(4)));
}

/** What the calculator says of an expression that it cannot read. */
export function describeError(error: unknown): string {
  return `Error: ${error instanceof Error ? error.message : String(error)}`;
}
