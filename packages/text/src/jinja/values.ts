/**
 * Defines the values of a template, as Python has them.
 *
 * Text, truth values and None are JavaScript's own (`null` is None); an integer is a `bigint`, a list an array, and a mapping a `Map`.
 */
import { spend } from './render-budget.ts';
import { templateError } from './template-error.ts';

/** A number with a fraction, or one that was written like one. */
export class Float {
  readonly value: number;
  /** The text that it was written as, where it was read from text. */
  readonly source: string | undefined;

  constructor(value: number, source?: string) {
    this.value = value;
    this.source = source;
  }
}

/** A list that cannot be changed; it is shown in parentheses. */
export class Tuple {
  readonly items: readonly Value[];

  constructor(items: readonly Value[]) {
    this.items = items;
  }
}

/** The value of a name or field that does not exist. */
export class Undefined {
  /** Says what does not exist, for the error when it is used. */
  readonly reason: string;

  constructor(reason: string) {
    this.reason = reason;
  }
}

/** The one kind of object whose fields a template may set. */
export class Namespace {
  readonly fields: Map<string, Value>;

  constructor(fields: Map<string, Value>) {
    this.fields = fields;
  }
}

/** A macro, a method or a function. */
export class Callable {
  readonly name: string;
  readonly call: (positional: readonly Value[], named: ReadonlyMap<string, Value>) => Value;

  constructor(name: string, call: Callable['call']) {
    this.name = name;
    this.call = call;
  }
}

/** Keys of mappings; a float without a fraction is its integer. */
export type Key = string | bigint | boolean | null;
export type Mapping = Map<Key, Value>;
export type Value =
  | string
  | bigint
  | boolean
  | null
  | Float
  | Value[]
  | Tuple
  | Mapping
  | Undefined
  | Namespace
  | Callable;

/** Tells whether a value counts as true. */
export function isTrue(value: Value): boolean {
  if (value instanceof Float) return value.value !== 0;
  if (value instanceof Map) return value.size > 0;
  if (Array.isArray(value)) return value.length > 0;
  if (value instanceof Tuple) return value.items.length > 0;
  if (value instanceof Undefined) return false;
  return typeof value === 'object' ? value !== null : Boolean(value);
}

/** Returns Python's name of a value's type, for errors. */
export function typeName(value: Value): string {
  if (value === null) return 'NoneType';
  if (value instanceof Map) return 'dict';
  if (Array.isArray(value)) return 'list';
  if (value instanceof Float) return 'float';
  if (value instanceof Tuple) return 'tuple';
  if (value instanceof Undefined) return 'Undefined';
  if (value instanceof Namespace) return 'Namespace';
  if (value instanceof Callable) return 'function';
  return { string: 'str', bigint: 'int', boolean: 'bool' }[typeof value as 'string'] ?? typeof value;
}

/** Returns a truth value or an integer as an integer, a float as it is, and undefined for what is no number. */
export function numberOf(value: Value): bigint | Float | undefined {
  if (typeof value === 'boolean') return value ? 1n : 0n;
  return typeof value === 'bigint' || value instanceof Float ? value : undefined;
}

/** Tells whether a text has characters of two JavaScript units, so that its units are not its characters. */
export function hasPairs(text: string): boolean {
  return /[\ud800-\udfff]/.test(text);
}

/** Returns the length of a text in characters. */
export function lengthOfText(text: string): number {
  return hasPairs(text) ? text.length - (text.match(/[\ud800-\udbff][\udc00-\udfff]/g)?.length ?? 0) : text.length;
}

/** Returns what a loop goes through: items, characters, or the keys of a mapping. */
export function itemsOf(value: Value): readonly Value[] {
  const items = listItems(value);
  spend(items.length);
  return items;
}

function listItems(value: Value): readonly Value[] {
  if (Array.isArray(value)) return value;
  if (value instanceof Tuple) return value.items;
  if (typeof value === 'string') return [...value];
  if (value instanceof Map) return [...value.keys()];
  if (value instanceof Undefined) return [];
  throw templateError(`'${typeName(value)}' object is not iterable`);
}

/** Returns an item as a key of a mapping. */
export function keyOf(value: Value): Key {
  if (value instanceof Float && Number.isInteger(value.value)) return BigInt(value.value);
  if (value === null || typeof value === 'string' || typeof value === 'bigint' || typeof value === 'boolean')
    return value;
  throw templateError(`unhashable type: '${typeName(value)}'`);
}

/** Returns a value that may be absent, which null, being None, is not. */
export function orElse(value: Value | undefined, fallback: Value): Value {
  return value === undefined ? fallback : value;
}

/** Returns a text from code that needs one. */
export function requireText(value: Value, what: string): string {
  if (typeof value === 'string') return value;
  throw templateError(`${what} must be str, not ${typeName(value)}`);
}

/** Returns a whole number from code that needs one that counts something. */
export function requireCount(value: Value, what: string): number {
  const number = numberOf(value);
  if (typeof number === 'bigint') return Number(number);
  throw templateError(`${what} must be int, not ${typeName(value)}`);
}
