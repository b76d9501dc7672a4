import fc from 'fast-check';
import { expect, it } from 'vitest';

import { readJsonArray, readJsonObject, writeJsonObject } from './json-source.ts';

it('reads the source text of members and items', () => {
  expect([...(readJsonObject(' {"b" : 1.0, "10":"x,}", "a": {"c": [1, 2]} , "\\u00e9": 1e999} ') ?? [])]).toEqual([
    ['b', '1.0'],
    ['10', '"x,}"'],
    ['a', '{"c": [1, 2]}'],
    ['é', '1e999'],
  ]);
  expect(readJsonArray('[1.0, "a]", [2]]')).toEqual(['1.0', '"a]"', '[2]']);
  expect([readJsonObject('{}')?.size, readJsonArray('[ ]')]).toEqual([0, []]);
  expect([readJsonObject('[1]'), readJsonObject('{"a": 1,}'), readJsonArray('{}'), readJsonObject('')]).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

it('reads any JSON as a parser does, however it is spaced', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.constantFrom('', ' ', '\n\t'), (value, space) => {
      const members = readJsonObject(JSON.stringify(value, undefined, space));
      const read = Array.from(members ?? [], ([name, source]) => [name, JSON.parse(source)]);
      expect(read).toEqual(Object.entries(JSON.parse(JSON.stringify(value)) as object));
      expect(JSON.parse(writeJsonObject(members ?? new Map()))).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
  fc.assert(
    fc.property(fc.array(fc.jsonValue()), (value) => {
      const items = readJsonArray(JSON.stringify(value));
      expect(items?.map((item) => JSON.parse(item) as unknown)).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});
