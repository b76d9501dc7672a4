/** A calculator for expressions that a model wrote: numbers, + - * /, parentheses, and a minus in front. */

/** Says what is wrong with an expression, in a few words that a model can use. */
export class CalculatorError extends Error {}

const maxLength = 200;
const token = /\s*(?:(\d+(?:\.\d+)?)|(.))/gsy;

/** The value. @throws {CalculatorError} for anything that is no expression, and for a result that is no finite number */
export function calculate(expression: string): number {
  if (expression.length > maxLength) throw new CalculatorError(`longer than ${maxLength} characters`);
  const tokens = [...expression.trimEnd().matchAll(token)].map(([, number, sign]) => number ?? sign!);
  const reader = new Reader(tokens);
  const value = sum(reader);
  if (reader.next !== undefined) throw unexpected(reader.next);
  if (!Number.isFinite(value)) throw new CalculatorError('no finite result');
  return value;
}

class Reader {
  readonly #tokens: readonly string[];
  #at = 0;

  constructor(tokens: readonly string[]) {
    this.#tokens = tokens;
  }

  get next(): string | undefined {
    return this.#tokens[this.#at];
  }

  /** Steps over the next token when it is one of these. */
  take(...wanted: readonly string[]): string | undefined {
    const { next } = this;
    if (next === undefined || !wanted.includes(next)) return undefined;
    this.#at += 1;
    return next;
  }

  takeNumber(): number | undefined {
    const { next } = this;
    if (next === undefined || !/^\d/.test(next)) return undefined;
    this.#at += 1;
    return Number(next);
  }
}

/** product (('+' | '-') product)* */
function sum(reader: Reader): number {
  let value = product(reader);
  for (let sign = reader.take('+', '-'); sign !== undefined; sign = reader.take('+', '-')) {
    const right = product(reader);
    value = sign === '+' ? value + right : value - right;
  }
  return value;
}

/** factor (('*' | '/') factor)* */
function product(reader: Reader): number {
  let value = factor(reader);
  for (let sign = reader.take('*', '/'); sign !== undefined; sign = reader.take('*', '/')) {
    const right = factor(reader);
    if (sign === '/' && right === 0) throw new CalculatorError('division by zero');
    value = sign === '*' ? value * right : value / right;
  }
  return value;
}

/** '-' factor | '(' sum ')' | number; `maxLength` bounds how deep it goes. */
function factor(reader: Reader): number {
  if (reader.take('-') !== undefined) return -factor(reader);
  if (reader.take('(') !== undefined) {
    const value = sum(reader);
    if (reader.take(')') === undefined) throw unexpected(reader.next);
    return value;
  }
  const value = reader.takeNumber();
  if (value === undefined) throw unexpected(reader.next);
  return value;
}

function unexpected(next: string | undefined): CalculatorError {
  return new CalculatorError(next === undefined ? 'unexpected end' : `unexpected ${next}`);
}
