import { check, StoreError, type JsonValue } from '@agent-lightning/core';
import { invalidField, type FieldName } from './store-errors.ts';

/** Limits what one field may hold; chosen so that one request cannot stall the event loop or exhaust memory. */
export interface StoreLimits {
  readonly idCharacters: number;
  readonly nameCharacters: number;
  readonly messageCharacters: number;
  readonly jsonDepth: number;
  /** The most characters of one JSON document, as JSON text. */
  readonly jsonCharacters: number;
  /** The most characters of one attribute value. */
  readonly attributeCharacters: number;
  readonly attributesPerSpan: number;
  readonly tokensPerSpan: number;
  readonly requestsPerCall: number;
  /** The most failure codes that a retry policy names. */
  readonly retryCodes: number;
  /** The largest size of a reward, as in `core`. */
  readonly rewardSize: number;
}

export const storeLimits: StoreLimits = {
  idCharacters: 200,
  nameCharacters: 1_000,
  messageCharacters: 65_536,
  jsonDepth: 64,
  jsonCharacters: 8_388_608,
  attributeCharacters: 4_194_304,
  attributesPerSpan: 1_024,
  tokensPerSpan: 4_194_304,
  requestsPerCall: 100_000,
  retryCodes: 1_000,
  rewardSize: 1e9,
};

const idPattern = /^[A-Za-z0-9._:-]+$/;

/** Returns an id of 1 to 200 characters of `[A-Za-z0-9._:-]` without `..`: safe in a URL path, a file name and a log line. */
export function checkId(field: string, value: unknown): string {
  if (typeof value === 'string' && isId(value)) return value;
  throw invalidField(
    field,
    `must be 1 to ${storeLimits.idCharacters} characters of [A-Za-z0-9._:-] without ".."`,
    value,
  );
}

/** Tells whether every store takes a value as an id; a caller without types may give any value. */
export function isId(value: unknown): boolean {
  return (
    typeof value === 'string' &&
    value.length <= storeLimits.idCharacters &&
    idPattern.test(value) &&
    !value.includes('..')
  );
}

export function checkOptionalId(field: string, value: unknown): string | undefined {
  return value === undefined ? undefined : checkId(field, value);
}

export function checkText(field: FieldName, value: unknown, maxCharacters: number, minCharacters = 0): string {
  if (typeof value !== 'string') throw invalidField(field, 'must be a string', value);
  if (value.length < minCharacters || value.length > maxCharacters)
    throw invalidField(field, `must have ${minCharacters} to ${maxCharacters} characters`, value);
  if (value.includes('\0') || !value.isWellFormed())
    throw invalidField(field, 'must be well-formed text without NUL', value);
  return value;
}

export function checkNumber(field: FieldName, value: unknown): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw invalidField(field, 'must be a finite number', value);
  return value;
}

export function checkInteger(
  field: string,
  value: unknown,
  min: number,
  max: number = Number.MAX_SAFE_INTEGER,
): number {
  if (!Number.isSafeInteger(value) || (value as number) < min || (value as number) > max)
    throw invalidField(field, `must be a whole number from ${min} to ${max}`, value);
  return value as number;
}

export function checkOneOf<Value extends string>(field: string, value: unknown, allowed: readonly Value[]): Value {
  if (!allowed.includes(value as Value)) throw invalidField(field, `must be one of ${allowed.join(', ')}`, value);
  return value as Value;
}

export function checkArray(
  field: string,
  value: unknown,
  maxLength: number = storeLimits.requestsPerCall,
): readonly unknown[] {
  if (!Array.isArray(value)) throw invalidField(field, 'must be an array', value);
  if (value.length > maxLength) throw invalidField(field, `must have at most ${maxLength} items`, value);
  return value;
}

export function checkListOf<Value extends string>(
  field: string,
  value: unknown,
  allowed: readonly Value[],
): readonly Value[] {
  return checkArray(field, value, allowed.length * 2).map((item, index) =>
    checkOneOf(`${field}[${index}]`, item, allowed),
  );
}

export function checkObject(field: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || ArrayBuffer.isView(value))
    throw invalidField(field, 'must be an object', value);
  return value as Readonly<Record<string, unknown>>;
}

/** Returns an object that has no other fields than these; a misspelt one would be ignored. Names as a record are complete. */
export function checkFields<Value extends object>(
  field: string,
  value: Value,
  names: Readonly<Record<keyof Value, true>>,
): Value {
  checkObject(field, value);
  try {
    check.knownOptions(field, value, names);
  } catch (error) {
    throw new StoreError(error instanceof Error ? error.message : String(error), {
      code: 'store-invalid',
      cause: error,
    });
  }
  return value;
}

/** Returns a copy of a JSON document that the caller cannot change any more; members that are undefined are left out, and what else JSON cannot hold is rejected by path. */
export function checkJson(field: string, value: unknown): JsonValue {
  walkJson(field, value, 0);
  const text = JSON.stringify(value);
  if (text.length > storeLimits.jsonCharacters)
    throw invalidField(field, `must have at most ${storeLimits.jsonCharacters} characters as JSON; got ${text.length}`);
  return JSON.parse(text) as JsonValue;
}

function walkJson(path: string, value: unknown, depth: number): void {
  if (value === null || typeof value === 'boolean') return;
  if (typeof value === 'string') {
    if (value.length > storeLimits.jsonCharacters)
      throw invalidField(path, `must have at most ${storeLimits.jsonCharacters} characters`, value);
    return;
  }
  if (typeof value === 'number') {
    checkNumber(path, value);
    return;
  }
  if (typeof value !== 'object')
    throw invalidField(path, 'must be JSON: a string, number, boolean, null, array or object', value);
  if (depth >= storeLimits.jsonDepth) throw invalidField(path, `is nested deeper than ${storeLimits.jsonDepth} levels`);
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) walkJson(`${path}[${index}]`, value[index], depth + 1);
    return;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null)
    throw invalidField(path, 'must be a plain object', value);
  for (const [key, item] of Object.entries(value))
    if (item !== undefined) walkJson(`${path}.${key.slice(0, 60)}`, item, depth + 1);
}
