import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromBytes, toBytes } from './number-bytes.ts';

/** Reads a little-endian integer by its definition: the sum of its bytes, in two's complement. */
function integerOf(bytes: readonly number[]): number {
  const unsigned = bytes.reduce((sum, byte, place) => sum + BigInt(byte) * 256n ** BigInt(place), 0n);
  return Number(bytes.at(-1)! < 128 ? unsigned : unsigned - 256n ** BigInt(bytes.length));
}

const groupsOf = (bytes: Uint8Array, size: number): number[][] =>
  Array.from({ length: bytes.length / size }, (_, index) => [...bytes.subarray(index * size, (index + 1) * size)]);

describe('numbers as bytes', () => {
  it('are little-endian', () => {
    expect([...toBytes('int32', [1, -2])]).toEqual([1, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff]);
    expect([...toBytes('int64', [258])]).toEqual([2, 1, 0, 0, 0, 0, 0, 0]);
    expect([...toBytes('float32', [-2])]).toEqual([0, 0, 0, 0xc0]);
    expect(fromBytes('bfloat16', Uint8Array.of(0x80, 0x3f, 0x20, 0xc0))).toEqual([1, -2.5]);
  });

  it('have the integers that a naive reader finds in them', () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), (values) => {
        expect(groupsOf(toBytes('int32', values), 4).map(integerOf)).toEqual(values);
      }),
    );
    const small = fc.integer({ min: -(2 ** 50), max: 2 ** 50 });
    fc.assert(
      fc.property(fc.array(small), (values) => {
        expect(groupsOf(toBytes('int64', values), 8).map(integerOf)).toEqual(values);
      }),
    );
  });

  it('come back as they were, wherever they lie in a buffer', () => {
    const float = fc.float({ noNaN: false });
    fc.assert(
      fc.property(fc.array(float), fc.array(fc.maxSafeInteger()), fc.nat(7), (floats, integers, offset) => {
        for (const [type, values] of [
          ['float32', floats],
          ['int64', integers],
        ] as const) {
          const bytes = toBytes(type, values);
          const shifted = new Uint8Array(bytes.length + offset).subarray(offset);
          shifted.set(bytes);
          expect(fromBytes(type, shifted)).toEqual(values);
        }
      }),
    );
  });

  it('are refused where the last one is cut off', () => {
    expect(fromBytes('int32', Uint8Array.of(1, 0, 0))).toBeUndefined();
    expect(fromBytes('int64', new Uint8Array(12))).toBeUndefined();
  });
});
