/** Turns the values of a Parquet file into plain JSON. */
import type { JsonValue } from '@agent-lightning/core';

import { invalidTask, type TaskPlace } from './task-error.ts';

/**
 * Returns the value as JSON: bytes become base64, a whole number outside ±(2⁵³ − 1) the text of its digits, a missing value null.
 *
 * @param path names the field in errors, such as `answer` or `steps[2].value`
 * @throws {ConfigurationError} `tasks-invalid` for a number that JSON does not have
 */
export function toPlainJson(value: unknown, path: string, place: TaskPlace): JsonValue {
  if (value === null || value === undefined) return null;
  if (typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (typeof value === 'number') {
    if (Number.isFinite(value)) return value;
    throw invalidTask(
      place,
      `field "${path}" is ${value}, which JSON cannot hold; write null instead, or leave it out`,
    );
  }
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (Array.isArray(value)) return value.map((item, index) => toPlainJson(item, `${path}[${index}]`, place));
  if (typeof value === 'object') {
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, toPlainJson(item, `${path}.${key}`, place)]),
    );
  }
  throw invalidTask(place, `field "${path}" is a ${typeof value}, which JSON cannot hold; leave it out with columns`);
}
