/** Turns parsed JSON into values of templates. */
import type { JsonValue } from '@agent-lightning/core';

import { Float, type Mapping, type Value } from './values.ts';

/** Returns the value of parsed JSON. A number without a fraction is an integer, since JavaScript does not tell `1.0` from `1`. */
export function toValue(json: JsonValue): Value {
  if (typeof json === 'number') return Number.isSafeInteger(json) ? BigInt(json) : new Float(json);
  if (typeof json !== 'object' || json === null) return json;
  if (Array.isArray(json)) return (json as readonly JsonValue[]).map(toValue);
  return toMapping(json as Readonly<Record<string, JsonValue | undefined>>);
}

/** Returns an object without its absent fields. */
export function toMapping(fields: Readonly<Record<string, JsonValue | undefined>>): Mapping {
  const mapping: Mapping = new Map();
  for (const [name, field] of Object.entries(fields)) if (field !== undefined) mapping.set(name, toValue(field));
  return mapping;
}
