import type { JsonValue } from '@agent-lightning/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { isJson } from './json-source.ts';
import { ToolSchemas, writeNumber, writeTypedValue } from './tool-schemas.ts';

describe('a value that was written as text', () => {
  it.each<[string, JsonValue | undefined, string]>([
    ['42', undefined, '"42"'],
    ['42', {}, '"42"'],
    ['42', { type: 'string' }, '"42"'],
    ['42', { type: 'integer' }, '42'],
    [' 42 ', { type: 'integer' }, '42'],
    ['2512292042121000001', { type: 'integer' }, '2512292042121000001'],
    ['007', { type: 'integer' }, '7'],
    ['1.0', { type: 'integer' }, '"1.0"'],
    ['1.0', { type: 'number' }, '1.0'],
    ['1e999', { type: 'number' }, '1e999'],
    ['.5', { type: 'float' }, '0.5'],
    ['nan', { type: 'number' }, '"nan"'],
    ['True', { type: 'bool' }, 'true'],
    ['0', { type: 'boolean' }, 'false'],
    ['perhaps', { type: 'boolean' }, '"perhaps"'],
    ['null', { type: ['string', 'null'] }, 'null'],
    ['null', { type: 'string' }, '"null"'],
    ['{"a": 1.0}', { type: 'object' }, '{"a": 1.0}'],
    ['[1,', { type: 'array' }, '"[1,"'],
    ['7', { anyOf: [{ type: 'null' }, { type: 'integer' }] }, '7'],
    ['7', { enum: [1, 7] }, '7'],
    ['7', { enum: ['1', '7'] }, '"7"'],
    ['{"a": 1}', { type: 'any' }, '{"a": 1}'],
    ['word', { type: 'any' }, '"word"'],
  ])('%j with the schema %j is %s', (text, schema, expected) => {
    expect(writeTypedValue(text, schema)).toBe(expected);
  });

  it('is always JSON, and a string for a string', () => {
    const type = fc.constantFrom('null', 'integer', 'number', 'boolean', 'object', 'array', 'string', 'any', 7);
    const text = fc.oneof(fc.string(), fc.json(), fc.stringMatching(/^[-+]?[\d_.]{0,6}(e[-+]?\d{0,3})?$/));
    fc.assert(
      fc.property(text, fc.array(type), (value, types) => {
        expect(isJson(writeTypedValue(value, { type: types }))).toBe(true);
        expect(JSON.parse(writeTypedValue(value, { type: 'string' }))).toBe(value);
      }),
    );
  });
});

it('writes the numbers of Python as JSON, and leaves those of JSON as they are', () => {
  expect(['1', '-1.50', '1e5', '1E-5'].map(writeNumber)).toEqual(['1', '-1.50', '1e5', '1E-5']);
  expect(['+1', '1_000', '5.', '.5', '-.5e3', '00.10'].map(writeNumber)).toEqual([
    '1',
    '1000',
    '5.0',
    '0.5',
    '-0.5e3',
    '0.10',
  ]);
  expect(['', '.', '-', 'e5', '0x1f', '1j', 'inf', '_1', '1e'].map(writeNumber)).toEqual(Array(9).fill(undefined));
});

it('finds tools in both forms, and ignores entries that are none', () => {
  const parameters = { properties: { a: { type: 'integer' } } };
  const schemas = new ToolSchemas([
    { type: 'function', function: { name: 'f', parameters } },
    { name: 'g', parameters },
    null,
    'x',
  ]);
  expect([schemas.find('f', 'a'), schemas.find('g', 'a')]).toEqual([{ type: 'integer' }, { type: 'integer' }]);
  expect([schemas.find('f', 'b'), schemas.find('h', 'a'), schemas.has('g'), schemas.has('h')]).toEqual([
    undefined,
    undefined,
    true,
    false,
  ]);
});
