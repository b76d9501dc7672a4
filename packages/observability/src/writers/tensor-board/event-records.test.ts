import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32c, maskedCrc32c } from './crc32c.ts';
import { encodeRecord } from './event-records.ts';

/** Computes a CRC-32C bit by bit, as a division of polynomials. */
function naiveCrc32c(bytes: Uint8Array): number {
  let value = 0xffffffff;
  for (const byte of bytes) {
    for (let bit = 0; bit < 8; bit++) {
      const isOdd = ((value ^ (byte >>> bit)) & 1) === 1;
      value = isOdd ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
    }
  }
  return (value ^ 0xffffffff) >>> 0;
}

describe('crc32c', () => {
  it('gives the values of RFC 3720', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
  });

  it('is the remainder of a division, bit by bit', () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => crc32c(bytes) === naiveCrc32c(bytes)));
  });
});

describe('encodeRecord', () => {
  it('writes length, its checksum, the message and its checksum', () => {
    const record = encodeRecord({ atMs: 1_000, step: 300, scalars: { a: 0.5 } });
    const length = Number(record.readBigUInt64LE(0));
    const message = record.subarray(12, 12 + length);
    expect(record.length).toBe(length + 16);
    expect(record.readUInt32LE(8)).toBe(maskedCrc32c(record.subarray(0, 8)));
    expect(record.readUInt32LE(12 + length)).toBe(maskedCrc32c(message));
    // wall_time = 1 s · step = 300 · summary { value { tag: "a", simple_value: 0.5 } }
    expect(message.toString('hex')).toBe(
      '09' + '000000000000f03f' + '10ac02' + '2a0a' + '0a08' + '0a0161' + '150000003f',
    );
  });
});
