import fc from 'fast-check';
import { expect, it } from 'vitest';

import { ToolSchemas } from '../tool-schemas.ts';
import { parsePythonCalls } from './python-body.ts';

const parse = (body: string): unknown => parsePythonCalls(body, { tools: new ToolSchemas([]), isClosed: true });

/** Writes a value as Python's `repr` does, with quotes of either kind. */
function writePython(value: unknown, quote: string): string {
  if (value === null) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'string')
    return `${quote}${value.replaceAll('\\', '\\\\').replaceAll(quote, `\\${quote}`).replaceAll('\n', '\\n')}${quote}`;
  if (Array.isArray(value)) return `[${value.map((item) => writePython(item, quote)).join(', ')}]`;
  if (typeof value === 'object')
    return `{${Object.entries(value)
      .map(([key, item]) => `${writePython(key, quote)}: ${writePython(item, quote)}`)
      .join(', ')}}`;
  return String(value);
}

it('reads whatever values Python writes', () => {
  const value = fc.dictionary(fc.stringMatching(/^[a-z_]\w{0,8}$/), fc.jsonValue());
  fc.assert(
    fc.property(value, fc.constantFrom("'", '"'), (given, quote) => {
      const values = JSON.parse(JSON.stringify(given)) as Record<string, unknown>;
      const list = Object.entries(values).map(([key, item]) => `${key}=${writePython(item, quote)}`);
      const calls = parse(`[f(${list.join(', ')}), g()]`) as { name: string; arguments: string }[];
      expect(calls.map(({ name }) => name)).toEqual(['f', 'g']);
      expect(JSON.parse(calls[0]?.arguments ?? '')).toEqual(values);
    }),
  );
});

it.each([
  ["[f(a='''it's\n\"so\"''')]", '{"a": "it\'s\\n\\"so\\""}'],
  ["[f(a='\\x41\\u00e9\\U0001F642\\q')]", '{"a": "Aé🙂\\\\q"}'],
  ['[f(a=(1, 2,), b={1, 2}, c={1: True},)]', '{"a": [1, 2], "b": [1, 2], "c": {"1": true}}'],
  ['[f(a=-1.5e+3, b=+1, c=1_0)]', '{"a": -1.5e+3, "b": 1, "c": 10}'],
])('reads %s', (body, expected) => {
  expect(parse(body)).toEqual([{ name: 'f', arguments: expected }]);
});

it.each([
  '',
  '[]',
  'f(a=1)',
  '[f(1)]',
  '[f(a=b)]',
  '[f(a=1]',
  "[f(a='x)]",
  '[f(a=1)] and more',
  '[f(a={[1]: 2})]',
  '[f(,)]',
])('reads no call in %j', (body) => expect(parse(body)).toBeUndefined());
