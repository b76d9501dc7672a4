import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describeValue } from './attribute-values.ts';
import { writeBoundedJson } from './bounded-json.ts';
import { errorOutcome, exceptionAttributes } from './exception-attributes.ts';

describe('JSON with a bound', () => {
  it('is that of JSON.stringify, whatever the value is', () => {
    const odd = fc.constantFrom(
      undefined,
      new Date(0),
      () => 1,
      Symbol('s'),
      NaN,
      Infinity,
      -0,
      new String('s'),
      new Map([[1, 2]]),
      { toJSON: () => [1] },
      { toJSON: 1 },
    );
    const value = fc.letrec((tie) => ({
      node: fc.oneof(
        { maxDepth: 4 },
        fc.jsonValue({ maxDepth: 2 }),
        odd,
        fc.array(tie('node'), { maxLength: 4 }),
        fc.dictionary(fc.string(), tie('node'), { maxKeys: 4 }),
      ),
    })).node;
    fc.assert(
      fc.property(value, (given) => {
        expect(writeBoundedJson(given, 1e6)?.text).toBe(JSON.stringify(given));
      }),
      { numRuns: 200 },
    );
  });

  it('is a beginning of it, and reads no more than that', () => {
    let read = 0;
    const list = new Proxy(
      Array.from({ length: 1_000_000 }, () => 'item'),
      {
        get: (target, key) => (read++, Reflect.get(target, key) as unknown),
      },
    );
    const { text, isWhole } = writeBoundedJson({ list }, 100)!;
    expect([isWhole, text.slice(0, 20), text.length < 120, read < 100]).toEqual([
      false,
      '{"list":["item","ite',
      true,
      true,
    ]);
    const deep: unknown[] = [];
    let inner = deep;
    for (let depth = 0; depth < 1_000; depth++) inner.push((inner = []));
    expect(writeBoundedJson(deep, 10_000)?.text).toBe(JSON.stringify(deep));
    expect(describeValue('x'.repeat(100_000)).length).toBeLessThan(17_000);
    expect(describeValue({ image: new Uint8Array(50_000_000) })).toBe('{"image":"[Uint8Array of 50000000 bytes]"}');
  });
});

const broken = (): never => {
  throw new RangeError('hostile');
};
const circular: { self?: unknown } = {};
circular.self = circular;

/** Values that throw wherever they are touched. */
const hostile: readonly (readonly [what: string, value: unknown])[] = [
  ['an object without a prototype', Object.create(null)],
  ['a getter that throws', Object.defineProperty(new Error('x'), 'message', { get: broken })],
  ['a name that throws', Object.defineProperty(new Error('x'), 'name', { get: broken })],
  ['a stack that throws', Object.defineProperty(new Error('x'), 'stack', { get: broken })],
  ['a proxy that throws', new Proxy({}, { get: broken, has: broken, getPrototypeOf: broken, ownKeys: broken })],
  ['a text that throws', { message: { toString: broken } }],
  [
    'toJSON that throws what is no error',
    {
      toJSON: () => {
        throw Object.create(null) as unknown;
      },
    },
  ],
  ['a symbol', Symbol('s')],
  ['a circular value', circular],
  ['a BigInt', { big: 1n }],
];

describe('what is hostile', () => {
  it.each(hostile)('is described all the same: %s', (_what, value) => {
    expect(typeof describeValue(value)).toBe('string');
    expect(typeof errorOutcome(value).status.message).toBe('string');
    expect(Object.values(exceptionAttributes(value)).every((text) => typeof text === 'string')).toBe(true);
  });
});
