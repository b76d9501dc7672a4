/** Parses JSON without changing its numbers. */
import type { JsonValue } from '@agent-lightning/core';

/** Matches text that may hold a number which a double cannot: 16 digits in a row, or an exponent of three digits. */
const largeNumber = /\d{16}|\d[eE]\+?\d{3}/;

/**
 * Parses JSON. A whole number outside ±(2⁵³ − 1), which a double would round, becomes the text of its digits.
 * @throws {SyntaxError} for what is no JSON, and for a number that is larger than any double
 */
export function parseJson(text: string): JsonValue {
  return JSON.parse(text, largeNumber.test(text) ? keepLargeNumber : undefined) as JsonValue;
}

/** A reviver; the third argument tells how the value was written. */
function keepLargeNumber(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  const source = context?.source;
  if (typeof value !== 'number' || source === undefined) return value;
  if (!Number.isFinite(value)) throw new SyntaxError(`the number ${source} is larger than any double`);
  return /^-?\d+$/.test(source) && !Number.isSafeInteger(value) ? source : value;
}
