import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readFloat32 } from './read-float32.ts';

function read(text: string): number {
  const bytes = Buffer.from(`:${text},`);
  return readFloat32(bytes, 1, bytes.length - 1);
}

describe('readFloat32', () => {
  it('is the float32 that is closest to the number', () => {
    const float = fc.float({ noNaN: true, noDefaultInfinity: true });
    const plain = fc.double({ min: -50, max: 0, noNaN: true });
    const digits = fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: 1, maxLength: 24 });
    const decimal = fc.tuple(fc.constantFrom('', '-'), digits, digits).map(([sign, a, b]) => `${sign}${a}.${b}`);
    const number = fc.oneof(float.map(String), plain.map(String), decimal, digits);
    fc.assert(
      fc.property(number, (text) => {
        expect(read(text)).toBe(Math.fround(Number(text)));
      }),
      { numRuns: 5_000 },
    );
  });

  it('rounds a number between two float32 as its last digits say', () => {
    // 1 + 2^-24 lies in the middle of two float32 and goes to the even one; a little more goes up.
    expect(read('1.000000059604644775')).toBe(1);
    expect(read('1.0000000596046447754')).toBe(Math.fround(Number('1.0000000596046447754')));
    expect(read('1.0000000596046449')).toBe(1 + 2 ** -23);
    expect(read('-0')).toBe(-0);
  });

  it.each(['', '-', '.', 'null', '1.2.3', '1-2', '"1"', 'NaN'])('is NaN for %s', (text) => {
    expect(read(text)).toBeNaN();
  });
});
