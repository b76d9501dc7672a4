import { writeBoundedJson } from './bounded-json.ts';
import { TraceError, type JsonValue, type AttributeValue } from '@agent-lightning/core';

/** Holds what users attach to spans: nested values become dotted names, list items by index. */
export type NestedAttributes = { readonly [name: string]: JsonValue };

/**
 * Turns nested values into flat attributes: `{ a: { b: 1 } }` is `a.b`. A list of one primitive type stays a list; an empty object vanishes.
 * @throws {TraceError} `span-invalid` for null and for whatever JSON cannot hold
 */
export function flattenAttributes(nested: NestedAttributes): Record<string, AttributeValue> {
  const flat: Record<string, AttributeValue> = {};
  for (const [name, value] of Object.entries(nested)) flattenInto(flat, name, value);
  return flat;
}

function flattenInto(flat: Record<string, AttributeValue>, name: string, value: JsonValue): void {
  if (isPrimitive(value)) flat[name] = value;
  else if (Array.isArray(value) && isUniform(value)) flat[name] = value;
  else if (typeof value === 'object' && value !== null) {
    for (const [key, item] of Object.entries(value)) flattenInto(flat, `${name}.${key}`, item as JsonValue);
  } else {
    throw new TraceError(
      `the attribute "${name}" is ${String(value)}; give a string, a finite number, a boolean, or objects and lists of them`,
      { code: 'span-invalid' },
    );
  }
}

function isPrimitive(value: unknown): value is string | number | boolean {
  return (
    typeof value === 'string' || typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))
  );
}

function isUniform(list: readonly JsonValue[]): list is readonly string[] {
  const type = typeof list[0];
  return list.every((item) => typeof item === type && isPrimitive(item));
}

/** The longest text that an operation or a framework span keeps of one value, in characters. */
export const maxRecordedCharacters = 16_384;

/** Returns the text, or its beginning and how much is missing. */
export function capText(text: string): string {
  const missing = text.length - maxRecordedCharacters;
  return missing <= 0 ? text : `${text.slice(0, maxRecordedCharacters)}… [${missing} more characters]`;
}

/**
 * Writes a value as JSON for people, capped, at a cost that does not grow with what is left out; a value that JSON cannot hold says so
 * instead of failing the code that is traced.
 */
export function describeValue(value: unknown): string {
  try {
    const json = writeBoundedJson(value, maxRecordedCharacters);
    if (json === undefined) return `[${typeof value}]`;
    return json.isWhole ? json.text : `${json.text.slice(0, maxRecordedCharacters)}… [more]`;
  } catch (error) {
    return `[not JSON: ${errorText(error)}]`;
  }
}

/** Returns what an error says. What was thrown may be anything, and throw when it is asked. */
function errorText(thrown: unknown): string {
  try {
    return capText(thrown instanceof Error ? thrown.message : String(thrown));
  } catch {
    return 'an error that cannot be read';
  }
}
