import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NumberScanner } from './number-scanner.ts';

const scanner = new NumberScanner();

/** Bytes before the list, so that it begins at any position, and bytes after it. */
const before = fc.string({ unit: 'grapheme-ascii', maxLength: 20 });
const after = fc.constantFrom('', ',"x":1}', '999', '}');

const id = fc.oneof(fc.integer({ min: 0, max: 2_147_483_647 }), fc.nat(9), fc.nat(99_999_999), fc.nat(999_999_999));
/** Numbers at most 0, in every way of writing them. */
const logprobText = fc.oneof(
  fc.double({ min: -100, max: 0, noNaN: true }).map((value) => JSON.stringify(value)),
  fc.double({ max: 0, noNaN: true, noDefaultInfinity: true }).map((value) => JSON.stringify(value)),
  fc.tuple(fc.nat(99), fc.stringMatching(/^\d{1,30}$/u)).map(([whole, decimals]) => `-${whole}.${decimals}`),
  fc
    .tuple(fc.nat(9), fc.stringMatching(/^\d{1,17}$/u), fc.constantFrom('e', 'E', 'e+', 'e-'), fc.nat(99))
    .map(([whole, decimals, sign, exponent]) => `-${whole}.${decimals}${sign}${exponent}`),
  fc.constantFrom(
    '0',
    '-0',
    '-0.0',
    '-1e-45',
    '-7.006492321624085e-46',
    '-7.006492321624086e-46',
    '-1e-99',
    '-16777217',
  ),
);
const entries = fc.array(
  fc.record({
    logprob: logprobText,
    token: fc.string({ unit: 'binary' }).map((text) => JSON.stringify(text)),
    bytes: fc.constantFrom('null', '[]', '[1,22,255]', '["]"]'),
    alternatives: fc.constantFrom('[]', '[{"token":"a","logprob":-5,"bytes":null}]'),
    isPlain: fc.boolean(),
  }),
  { minLength: 1, maxLength: 8 },
);

describe('NumberScanner', () => {
  it('reads ids as the JSON parser does', () => {
    fc.assert(
      fc.property(fc.array(id, { minLength: 1 }), before, after, (ids, head, tail) => {
        const at = Buffer.byteLength(head);
        const list = `${ids.join(',')}]`;
        const read = scanner.ids(Buffer.from(head + list + tail), at);
        expect([...(read?.list ?? [])]).toEqual(ids);
        expect(read?.end).toBe(at + list.length);
      }),
    );
  });

  it.each([
    '',
    ']',
    '1',
    '1,',
    '1,]',
    ',1]',
    '-1]',
    '1.5]',
    '1e2]',
    '2147483648]',
    '12345678901]',
    '"1"]',
    '1 ]',
    'a]',
  ])('reads no ids in %j', (text) => {
    // Digits of a longer text that was read before must not be taken for the rest of this one.
    scanner.ids(Buffer.from('7'.repeat(40)), 0);
    expect(scanner.ids(Buffer.from(text), 0)).toBeUndefined();
  });

  it('reads log-probabilities as float32, each the one nearest to what is written', () => {
    let read = 0;
    fc.assert(
      fc.property(entries, before, (list, head) => {
        const text = list.map(({ logprob, token, bytes, alternatives, isPlain }) =>
          isPlain
            ? `{"token":${token},"logprob":${logprob},"bytes":${bytes},"top_logprobs":${alternatives}}`
            : `{"bytes":${bytes},"top_logprobs":${alternatives},"logprob":${logprob},"token":${token}}`,
        );
        const got = scanner.logprobs(Buffer.from(`${head}${text.join(',')}]}`), Buffer.byteLength(head));
        if (got === undefined) return;
        read += 1;
        expect([...got.list]).toEqual(list.map(({ logprob }) => Math.fround(Number(logprob))));
      }),
      { numRuns: 2_000 },
    );
    // The rest has numbers of too many digits, or too large for a float32: those are left to the parser.
    expect(read).toBeGreaterThan(600);
  });

  it.each(['1', '-', '-.5', '0.5', 'null', '-1.', '-1e', '-1e+', '-Infinity', '-1e999', '-1x', ''])(
    'reads no log-probability in %j',
    (text) => {
      expect(scanner.logprobs(Buffer.from(`{"logprob":${text}}]}`), 0)).toBeUndefined();
    },
  );

  it.each([
    '{"logprob":-1,"logprob":-2},{"token":"x"}]}',
    '{"token":"x"},{"logprob":-1,"logprob":-2}]}',
    '{"token":"x"}]}',
  ])('leaves %s to the parser, whose entries have not a number each', (text) => {
    expect(scanner.logprobs(Buffer.from(text), 0)).toBeUndefined();
  });

  it('reads no log-probabilities of a list that is cut off, wherever', () => {
    const text = '{"token":"a","logprob":-1.25,"bytes":[97],"top_logprobs":[]},{"logprob":-2}]}';
    scanner.logprobs(Buffer.from(text), 0);
    for (let length = 0; length < text.length; length += 1)
      expect(scanner.logprobs(Buffer.from(text.slice(0, length)), 0)).toBeUndefined();
    expect(scanner.logprobs(Buffer.from(text), 0)?.list).toEqual(Float32Array.of(-1.25, -2));
  });

  it('leaves bytes of more than 8 MiB to the parser', () => {
    expect(scanner.ids(Buffer.from(`1]${' '.repeat(8 * 1_048_576)}`), 0)).toBeUndefined();
    expect(scanner.ids(Buffer.from('1]'), 0)?.list).toEqual(Int32Array.of(1));
  });
});
