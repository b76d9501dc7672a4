/** The prompts of the agent's model. They are short, because the example's model is tiny. */
export const instructions = 'Use the calculator. End with "Answer: number".';

/** Writes the calculator's result, with at most 4 decimals. */
export function describeValue(value: number): string {
  return String(Number(value.toFixed(4)));
}

/** Writes the calculator's answer to an expression that it cannot read. */
export function describeError(error: unknown): string {
  return `Error: ${error instanceof Error ? error.message : String(error)}`;
}
