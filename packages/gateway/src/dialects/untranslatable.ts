import { isObject, shown } from '../request/request-fields.ts';
import type { JsonObject } from '../http/read-body.ts';
import { invalidField, type ReplyError } from '../http/reply-error.ts';

/** Returns the error for a field that has no form in chat completions, in which the policy is asked. */
export function untranslatable(path: string, why = 'leave it out'): ReplyError {
  return invalidField(path, `cannot be translated to chat completions, in which this model is asked; ${why}`);
}

/** Rejects every field that is not known, so that none is dropped in silence. */
export function rejectUnknown(object: JsonObject, known: ReadonlySet<string>, path: string): void {
  for (const field of Object.keys(object)) {
    const value = object[field];
    if (!known.has(field) && value !== null && value !== undefined)
      throw untranslatable(path === '' ? field : `${path}.${field}`);
  }
}

export function objectAt(value: unknown, path: string): JsonObject {
  if (!isObject(value)) throw invalidField(path, `must be an object, not ${shown(value)}`);
  return value;
}

export function listAt(value: unknown, path: string): readonly unknown[] {
  if (!Array.isArray(value)) throw invalidField(path, `must be a list, not ${shown(value)}`);
  return value;
}

export function textAt(object: JsonObject, field: string, path: string): string {
  const value = object[field];
  if (typeof value !== 'string') throw invalidField(`${path}.${field}`, `must be a text, not ${shown(value)}`);
  return value;
}
