/** Answers Jinja's tests, such as `is defined`. */
import { compare, contains, isEqual, operate } from './operators.ts';
import { lackingError, templateError } from './template-error.ts';
import { toText } from './text-form.ts';
import { Callable, Float, numberOf, orElse, Tuple, Undefined, type Value } from './values.ts';

type Test = (value: Value, argument: Value) => boolean;

const isText = (value: Value): value is string => typeof value === 'string';
const isInteger = (value: Value): value is bigint => typeof value === 'bigint';
const hasOrder = (value: Value): boolean =>
  isText(value) || Array.isArray(value) || [Tuple, Map, Undefined].some((type) => value instanceof type);

const isCased = (text: string, change: (text: string) => string): boolean =>
  text === change(text) && text.toLowerCase() !== text.toUpperCase();
const leaves = (rest: Value, value: Value, divisor: Value): boolean => isEqual(operate('%', value, divisor), rest);

const tests: Readonly<Record<string, Test>> = {
  boolean: (value) => typeof value === 'boolean',
  callable: (value) => value instanceof Callable,
  defined: (value) => !(value instanceof Undefined),
  divisibleby: (value, divisor) => leaves(0n, value, divisor),
  eq: isEqual,
  even: (value) => leaves(0n, value, 2n),
  false: (value) => value === false,
  float: (value) => value instanceof Float,
  ge: (value, other) => compare(value, other, '>=') >= 0,
  gt: (value, other) => compare(value, other, '>') > 0,
  in: (value, container) => contains(container, value),
  integer: isInteger,
  iterable: hasOrder,
  le: (value, other) => compare(value, other, '<=') <= 0,
  lower: (value) => isCased(toText(value), (text) => text.toLowerCase()),
  lt: (value, other) => compare(value, other, '<') < 0,
  mapping: (value) => value instanceof Map,
  ne: (value, other) => !isEqual(value, other),
  none: (value) => value === null,
  number: (value) => numberOf(value) !== undefined,
  odd: (value) => leaves(1n, value, 2n),
  sameas: (value, other) => value === other || (value instanceof Undefined && other instanceof Undefined),
  sequence: hasOrder,
  string: isText,
  true: (value) => value === true,
  undefined: (value) => value instanceof Undefined,
  upper: (value) => isCased(toText(value), (text) => text.toUpperCase()),
};

const otherNames: Readonly<Record<string, string>> = {
  equalto: 'eq',
  '==': 'eq',
  '!=': 'ne',
  greaterthan: 'gt',
  '>': 'gt',
  '>=': 'ge',
  lessthan: 'lt',
  '<': 'lt',
  '<=': 'le',
};

/** Returns the answer of a test. @throws {BackendError} `checkpoint-unsupported` for a test that is not known here */
export function answerTest(name: string, value: Value, positional: readonly Value[]): boolean {
  const known = otherNames[name] ?? name;
  const test = Object.hasOwn(tests, known) ? tests[known] : undefined;
  if (test === undefined) throw lackingError(`the test ${name}`);
  if (test.length > 1 && positional.length === 0) throw templateError(`the test ${name} needs a value to compare with`);
  return test(value, orElse(positional[0], null));
}
