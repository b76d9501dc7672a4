import type { JsonObject } from '../http/read-body.ts';
import { invalidField } from '../http/reply-error.ts';

/** Returns a field's value; null is how some clients write an absent one. */
export function present(body: JsonObject, field: string): unknown {
  return Object.hasOwn(body, field) ? (body[field] ?? undefined) : undefined;
}

/** Tells whether a field says nothing: it is absent, null, or has nothing in it. */
export function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || (typeof value === 'object' && Object.keys(value).length === 0);
}

/** Returns a value as an error may show it. */
export function shown(value: unknown): string {
  if (typeof value === 'number') return String(value);
  const text = Array.isArray(value)
    ? 'a list'
    : typeof value === 'object'
      ? 'an object'
      : (JSON.stringify(value) ?? typeof value);
  return text.slice(0, 60);
}

export function booleanField(body: JsonObject, field: string): boolean {
  const value = present(body, field) ?? false;
  if (typeof value !== 'boolean') throw invalidField(field, `must be true or false, not ${shown(value)}`);
  return value;
}

export function numberField(body: JsonObject, field: string, low: number, high: number): number | undefined {
  const value = present(body, field);
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !(value >= low && value <= high))
    throw invalidField(field, `must be a number from ${low} to ${high}, not ${shown(value)}`);
  return value;
}

export function integerField(body: JsonObject, field: string, low: number, high: number): number | undefined {
  const value = present(body, field);
  if (value === undefined) return undefined;
  if (!Number.isInteger(value) || !((value as number) >= low && (value as number) <= high))
    throw invalidField(field, `must be an integer from ${low} to ${high}, not ${shown(value)}`);
  return value as number;
}

/** Returns the texts that end a reply, given as one or as a list. */
export function stopField(body: JsonObject): readonly string[] {
  const value = present(body, 'stop') ?? [];
  const list: unknown[] = Array.isArray(value) ? value : [value];
  if (list.length > 16 || !list.every((text) => typeof text === 'string' && text !== ''))
    throw invalidField('stop', 'must be a text or at most 16 texts, none of them empty');
  return list as string[];
}

export function modelField(body: JsonObject): string {
  const model = present(body, 'model');
  if (typeof model !== 'string' || model === '') throw invalidField('model', 'must be the name of a model');
  return model;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Tells whether the agent wants usage with a stream. */
export function usageField(body: JsonObject): boolean {
  const options = present(body, 'stream_options') ?? {};
  if (!isObject(options)) throw invalidField('stream_options', 'must be an object');
  return booleanField(options, 'include_usage');
}
