/** Answers Jinja's tests, such as `is defined`. */
import { compare, contains, isEqual } from './operators.ts';
import { lackingError, templateError } from './template-error.ts';
import { Callable, Float, numberOf, orElse, Tuple, Undefined, type Value } from './values.ts';

type Test = (value: Value, argument: Value) => boolean;

const isText = (value: Value): value is string => typeof value === 'string';
const isInteger = (value: Value): value is bigint => typeof value === 'bigint';
const hasOrder = (value: Value): boolean =>
  isText(value) || Array.isArray(value) || [Tuple, Map, Undefined].some((type) => value instanceof type);

function isMultiple(value: Value, divisor: Value): boolean {
  const [a, b] = [numberOf(value), numberOf(divisor)];
  if (typeof a === 'bigint' && typeof b === 'bigint' && b !== 0n) return a % b === 0n;
  throw templateError('a test of divisibility needs integers, and a divisor that is not 0');
}

const tests: Readonly<Record<string, Test>> = {
  boolean: (value) => typeof value === 'boolean',
  callable: (value) => value instanceof Callable,
  defined: (value) => !(value instanceof Undefined),
  divisibleby: isMultiple,
  eq: isEqual,
  even: (value) => isMultiple(value, 2n),
  false: (value) => value === false,
  float: (value) => value instanceof Float,
  ge: (value, other) => compare(value, other, '>=') >= 0,
  gt: (value, other) => compare(value, other, '>') > 0,
  in: (value, container) => contains(container, value),
  integer: isInteger,
  iterable: hasOrder,
  le: (value, other) => compare(value, other, '<=') <= 0,
  lower: (value) => isText(value) && value === value.toLowerCase() && value !== value.toUpperCase(),
  lt: (value, other) => compare(value, other, '<') < 0,
  mapping: (value) => value instanceof Map,
  ne: (value, other) => !isEqual(value, other),
  none: (value) => value === null,
  number: (value) => numberOf(value) !== undefined,
  odd: (value) => !isMultiple(value, 2n),
  sameas: (value, other) => value === other || (value instanceof Undefined && other instanceof Undefined),
  sequence: hasOrder,
  string: isText,
  true: (value) => value === true,
  undefined: (value) => value instanceof Undefined,
  upper: (value) => isText(value) && value === value.toUpperCase() && value !== value.toLowerCase(),
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
