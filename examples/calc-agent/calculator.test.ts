import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { calculate, CalculatorError } from './calculator.ts';

/** Expressions, fully parenthesised or not, with the value that a tree gives them. */
interface Tree {
  readonly text: string;
  readonly value: number;
  /** 3 for a number or parentheses, 2 for * and /, 1 for + and -. */
  readonly binds: number;
}

const leaf: fc.Arbitrary<Tree> = fc
  .oneof(
    fc.nat(999),
    fc.nat(9999).map((n) => n / 100),
  )
  .map((value) => ({ text: String(value), value, binds: 3 }));

const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 3 },
    leaf,
    tie('tree').map((inner) => ({ text: `(${inner.text})`, value: inner.value, binds: 3 })),
    tie('tree').map((inner) => ({ text: `-${bound(inner, 3)}`, value: -inner.value, binds: 3 })),
    fc.tuple(tie('tree'), fc.constantFrom('+', '-', '*', '/'), tie('tree')).map(([left, sign, right]) => {
      const binds = sign === '+' || sign === '-' ? 1 : 2;
      return {
        text: `${bound(left, binds)} ${sign} ${bound(right, binds + 1)}`,
        value: operations[sign](left.value, right.value),
        binds,
      };
    }),
  ),
}));

const operations = {
  '+': (a: number, b: number) => a + b,
  '-': (a: number, b: number) => a - b,
  '*': (a: number, b: number) => a * b,
  '/': (a: number, b: number) => (b === 0 ? Number.NaN : a / b),
};

/** Puts an expression in parentheses where it binds less than it must. */
function bound({ text, binds }: Tree, least: number): string {
  return binds < least ? `(${text})` : text;
}

describe('the calculator', () => {
  it.each([
    ['1 + 2 * 3', 7],
    ['(1 + 2) * 3', 9],
    ['10 - 4 - 3', 3],
    ['24 / 4 / 2', 3],
    ['2 * -3', -6],
    ['--4', 4],
    ['-(1 + 2) * 2', -6],
    [' 12+7 ', 19],
    ['1.5 * 2', 3],
  ])('calculates %j', (expression, value) => {
    expect(calculate(expression)).toBe(value);
  });

  it('agrees with the tree that an expression was written from', () => {
    fc.assert(
      fc.property(tree, ({ text, value }) => {
        fc.pre(text.length <= 200);
        if (Number.isFinite(value)) expect(calculate(text)).toBe(value);
        else expect(() => calculate(text)).toThrow(CalculatorError);
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ['', 'unexpected end'],
    ['12 +', 'unexpected end'],
    ['12 + + 7', 'unexpected +'],
    ['(12 + 7', 'unexpected end'],
    ['12 + 7)', 'unexpected )'],
    ['12 7', 'unexpected 7'],
    ['2 ** 3', 'unexpected *'],
    ['1.', 'unexpected .'],
    ['1e3', 'unexpected e'],
    ['0x10', 'unexpected x'],
    ['process.exit()', 'unexpected p'],
    ['[1][0]', 'unexpected ['],
    ['12 / (3 - 3)', 'division by zero'],
    [`${'9'.repeat(190)} * 1`, undefined],
    [`${'('.repeat(100)}1${')'.repeat(100)}`, 'longer than 200 characters'],
    [`${'('.repeat(99)}1${')'.repeat(99)}`, undefined],
    [`${'-'.repeat(199)}1`, undefined],
    [`${'9'.repeat(199)} ${'* 9'}`, 'longer than 200'],
  ])('refuses %j in a few words, or calculates it', (expression, message) => {
    if (message === undefined) expect(Number.isFinite(calculate(expression))).toBe(true);
    else
      expect(() => calculate(expression)).toThrow(
        expect.objectContaining({ message: expect.stringContaining(message) }),
      );
  });

  it('answers or refuses whatever it is given', () => {
    const sign = fc.constantFrom('1', '23', '+', '-', '*', '/', '(', ')', ' ', '.', '\n', 'x');
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(sign).map((signs) => signs.join('')),
        ),
        (expression) => {
          try {
            expect(Number.isFinite(calculate(expression))).toBe(true);
          } catch (error) {
            expect(error).toBeInstanceOf(CalculatorError);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});
