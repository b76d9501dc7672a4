/** Computes Python's operators. */
import { pay, spend } from './render-budget.ts';
import { compareTexts } from './json-form.ts';
import { lackingError, templateError } from './template-error.ts';
import { toText } from './text-form.ts';
import {
  Float,
  itemsOf,
  keyOf,
  numberOf,
  Tuple,
  typeName,
  Undefined,
  type Key,
  type Mapping,
  type Value,
} from './values.ts';

/** Computes a binary operator, apart from `and` and `or`, which do not always need both sides. */
export function operate(operator: string, left: Value, right: Value): Value {
  for (const side of [left, right]) if (typeof side === 'string') pay(side);
  return pay(compute(operator, left, right));
}

function compute(operator: string, left: Value, right: Value): Value {
  switch (operator) {
    case '==':
      return isEqual(left, right);
    case '!=':
      return !isEqual(left, right);
    case '~':
      return toText(left) + toText(right);
    case 'in':
      return contains(right, left);
    case 'not in':
      return !contains(right, left);
    case '<':
      return compare(left, right, operator) < 0;
    case '>':
      return compare(left, right, operator) > 0;
    case '<=':
      return compare(left, right, operator) <= 0;
    case '>=':
      return compare(left, right, operator) >= 0;
    default:
      return arithmetic(operator, left, right);
  }
}

/** Tells whether two values are equal: numbers by value, lists and mappings by what they hold, and never text and a number. */
export function isEqual(left: Value, right: Value): boolean {
  spend(1);
  const [a, b] = [numberOf(left), numberOf(right)];
  // JavaScript compares an integer with a float by value and exactly.
  if (a !== undefined && b !== undefined) return plain(a) == plain(b); // oxlint-disable-line eqeqeq
  if (Array.isArray(left)) return Array.isArray(right) && areEqual(left, right);
  if (left instanceof Tuple) return right instanceof Tuple && areEqual(left.items, right.items);
  if (left instanceof Map) return right instanceof Map && haveEqualItems(left, right);
  return left instanceof Undefined ? right instanceof Undefined : left === right;
}

function plain(number: bigint | Float): bigint | number {
  return typeof number === 'bigint' ? number : number.value;
}

function areEqual(left: readonly Value[], right: readonly Value[]): boolean {
  return left.length === right.length && left.every((item, index) => isEqual(item, right[index] as Value));
}

function haveEqualItems(left: Mapping, right: Mapping): boolean {
  const isSame = ([key, item]: [Key, Value]): boolean => {
    const other = right.get(key);
    return other !== undefined && isEqual(item, other);
  };
  return left.size === right.size && [...left].every(isSame);
}

/** Tells whether `container` has an item, a key, or a part of its text. */
export function contains(container: Value, item: Value): boolean {
  if (typeof container === 'string') {
    if (typeof item === 'string') return container.includes(item);
    throw templateError(`'in <string>' requires string as left operand, not ${typeName(item)}`);
  }
  if (container instanceof Map) return container.has(keyOf(item));
  return itemsOf(container).some((candidate) => isEqual(candidate, item));
}

/** Returns a negative number, 0 or a positive one. @throws {BackendError} `samples-invalid` for values that have no order */
export function compare(left: Value, right: Value, operator = '<'): number {
  spend(1);
  requireDefined(left, right);
  const [a, b] = [numberOf(left), numberOf(right)];
  if (a !== undefined && b !== undefined) {
    const [x, y] = [plain(a), plain(b)];
    return x < y ? -1 : x > y ? 1 : x == y ? 0 : Number.NaN; // oxlint-disable-line eqeqeq
  }
  if (typeof left === 'string' && typeof right === 'string') return compareTexts(left, right);
  const lists = [left, right].map((side) =>
    Array.isArray(side) ? side : side instanceof Tuple ? side.items : undefined,
  );
  const [first, second] = lists;
  if (first !== undefined && second !== undefined && typeName(left) === typeName(right)) {
    const at = first.findIndex((item, index) => index >= second.length || !isEqual(item, second[index] as Value));
    return at < 0 || at >= second.length
      ? first.length - second.length
      : compare(first[at] as Value, second[at] as Value, operator);
  }
  throw templateError(`'${operator}' not supported between instances of '${typeName(left)}' and '${typeName(right)}'`);
}

function requireDefined(...values: readonly Value[]): void {
  for (const value of values) if (value instanceof Undefined) throw templateError(value.reason);
}

function arithmetic(operator: string, left: Value, right: Value): Value {
  requireDefined(left, right);
  const [a, b] = [numberOf(left), numberOf(right)];
  if (typeof a === 'bigint' && typeof b === 'bigint') return bounded(integerResult(operator, a, b));
  if (a !== undefined && b !== undefined) return floatResult(operator, Number(plain(a)), Number(plain(b)));
  if (operator === '+') {
    if (typeof left === 'string' && typeof right === 'string') return left + right;
    if (Array.isArray(left) && Array.isArray(right)) return [...left, ...right];
    if (left instanceof Tuple && right instanceof Tuple) return new Tuple([...left.items, ...right.items]);
  }
  if (operator === '*') {
    if (typeof b === 'bigint' && isSequence(left)) return repeat(left, b);
    if (typeof a === 'bigint' && isSequence(right)) return repeat(right, a);
  }
  if (operator === '%' && typeof left === 'string')
    throw lackingError("the operator % after a text (printf's formats)");
  throw templateError(`unsupported operand type(s) for ${operator}: '${typeName(left)}' and '${typeName(right)}'`);
}

function isSequence(value: Value): value is string | Value[] {
  return typeof value === 'string' || Array.isArray(value);
}

/** A template that repeats more than this is broken, and would fill the memory. */
const mostRepeated = 1_000_000;

function repeat(sequence: string | Value[], times: bigint): Value {
  const count = times < 0n ? 0 : Number(times);
  if (count * sequence.length > mostRepeated)
    throw templateError(`cannot repeat ${sequence.length} items ${times} times: more than ${mostRepeated}`);
  return typeof sequence === 'string' ? sequence.repeat(count) : Array.from({ length: count }, () => sequence).flat();
}

function integerResult(operator: string, a: bigint, b: bigint): Value {
  switch (operator) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '//':
      requireDivisor(b !== 0n);
      return (a - modulo(a, b)) / b;
    case '%':
      requireDivisor(b !== 0n);
      return modulo(a, b);
    case '**':
      if (b >= 0n) return power(a, b);
      return floatResult(operator, Number(a), Number(b));
    default:
      return floatResult(operator, Number(a), Number(b));
  }
}

/** The integers that Python shows: those of 4300 digits. Showing longer ones takes time that grows with the square of their length. */
const largestInteger: bigint = 10n ** 4300n;

function bounded(result: Value): Value {
  if (typeof result !== 'bigint' || (result < largestInteger && result > -largestInteger)) return result;
  throw templateError('an integer has more than 4300 digits');
}

function power(base: bigint, exponent: bigint): bigint {
  if (exponent > 10_000n) throw templateError(`the exponent ${exponent} is over 10000`);
  // Each hexadecimal digit of the base after the first adds 4 bits.
  if (exponent * BigInt(base.toString(16).length - 1) > 4_000n)
    throw templateError('an integer has more than 4300 digits');
  return base ** exponent;
}

/** Returns the rest that has the divisor's sign. */
function modulo(a: bigint, b: bigint): bigint {
  const rest = a % b;
  return rest !== 0n && rest < 0n !== b < 0n ? rest + b : rest;
}

function floatResult(operator: string, a: number, b: number): Float {
  switch (operator) {
    case '+':
      return new Float(a + b);
    case '-':
      return new Float(a - b);
    case '*':
      return new Float(a * b);
    case '/':
      requireDivisor(b !== 0);
      return new Float(a / b);
    case '//':
      requireDivisor(b !== 0);
      return new Float(Math.floor(a / b));
    case '%':
      requireDivisor(b !== 0);
      return new Float(floatModulo(a, b));
    case '**':
      return new Float(a ** b);
    default:
      throw lackingError(`the operator ${operator}`);
  }
}

function floatModulo(a: number, b: number): number {
  const rest = a % b;
  return rest !== 0 && rest < 0 !== b < 0 ? rest + b : rest;
}

function requireDivisor(isRight: boolean): void {
  if (!isRight) throw templateError('division by zero');
}

/** Computes `-x` and `+x`. */
export function sign(operator: string, value: Value): Value {
  requireDefined(value);
  const number = numberOf(value);
  if (number === undefined) throw templateError(`bad operand type for unary ${operator}: '${typeName(value)}'`);
  if (operator === '+') return number;
  return typeof number === 'bigint' ? -number : new Float(-number.value);
}
