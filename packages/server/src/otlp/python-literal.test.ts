import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readPythonLiteral } from './python-literal.ts';

/** Writes a value as Python's `repr` does, by the rules of its documentation. */
function repr(value: unknown): string {
  if (value === null) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'number') return String(value);
  if (Array.isArray(value)) return `[${value.map(repr).join(', ')}]`;
  if (typeof value === 'object')
    return `{${Object.entries(value)
      .map(([key, item]) => `${repr(key)}: ${repr(item)}`)
      .join(', ')}}`;
  const text = String(value);
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const written = [...text].map((character) => {
    if (character === quote || character === '\\') return `\\${character}`;
    const code = character.codePointAt(0) as number;
    return (
      { 9: '\\t', 10: '\\n', 13: '\\r' }[code] ??
      (code < 32 || code === 127 ? `\\x${code.toString(16).padStart(2, '0')}` : character)
    );
  });
  return quote + written.join('') + quote;
}

describe('readPythonLiteral', () => {
  it('reads what repr writes of any JSON value', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnpairedSurrogates: true, depthSize: 'small' } as never), (value) => {
        expect(readPythonLiteral(repr(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
      { numRuns: 200 },
    );
  });

  it('reads JSON, tuples, sets, escapes and numbers of other forms', () => {
    expect(readPythonLiteral('{"a": [1, null, true], "b": "\\u00e9"}')).toEqual({ a: [1, null, true], b: 'é' });
    expect(readPythonLiteral("(1, 'a', )")).toEqual([1, 'a']);
    expect(readPythonLiteral('{1, 2}')).toEqual([1, 2]);
    expect(readPythonLiteral("{'x': {}, 3: ()}")).toEqual({ x: {}, 3: [] });
    expect(readPythonLiteral("'\\U0001F600\\x41\\''")).toBe("😀A'");
    expect(readPythonLiteral('[-1.5e-3, 1_000, nan, -inf, .5]')).toEqual([-0.0015, 1000, NaN, -Infinity, 0.5]);
  });

  it('returns undefined for what is no literal, however it ends or nests, in time that grows with its length', () => {
    for (const text of ['', 'hello', '[1', '{1: 2', "'a", '[1] 2', "'\\xZZ'", '__import__("os")', '1 + 1', '{1: 2, 3}'])
      expect(readPythonLiteral(text)).toBeUndefined();
    expect(readPythonLiteral('['.repeat(100_000))).toBeUndefined();
    expect(readPythonLiteral('{'.repeat(60) + '1' + '}'.repeat(60))).toBeDefined();
  });
});
