import { BackendError } from '@agent-lightning/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { decodeSafetensors, encodeSafetensors, type Tensor } from './safetensors.ts';

describe('safetensors', () => {
  it('reads back what it wrote, bit for bit', () => {
    const tensor = fc
      .tuple(fc.nat(4), fc.nat(4))
      .chain(([rows, columns]) =>
        fc
          .float32Array({ minLength: rows * columns, maxLength: rows * columns })
          .map((data): Tensor => ({ shape: [rows, columns], data })),
      );
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.string({ minLength: 1 }).filter((name) => name !== '__metadata__' && name !== '__proto__'),
          tensor,
        ),
        (record) => {
          const tensors = new Map(Object.entries(record));
          const { tensors: read, metadata } = decodeSafetensors(encodeSafetensors(tensors, { step: '3' }), 'file');
          expect(read).toEqual(tensors);
          expect(metadata).toEqual({ format: 'pt', step: '3' });
        },
      ),
    );
  });

  it('converts every binary16 number exactly', () => {
    const halves = Uint16Array.from({ length: 65_536 }, (_, bits) => bits);
    const { tensors } = decodeSafetensors(
      rawFile({ x: { dtype: 'F16', shape: [65_536], data_offsets: [0, 131_072] } }, new Uint8Array(halves.buffer)),
      'file',
    );
    expect(tensors.get('x')?.data).toEqual(Float32Array.from(halves, naiveHalf));
  });

  it('converts bfloat16 as the upper half of a float32', () => {
    const data = new Uint8Array(Uint16Array.of(0x3f80, 0xc049, 0x0001, 0x7f80).buffer);
    const { tensors } = decodeSafetensors(
      rawFile({ x: { dtype: 'BF16', shape: [2, 2], data_offsets: [0, 8] } }, data),
      'file',
    );
    expect(tensors.get('x')?.data).toEqual(
      new Float32Array(Uint32Array.of(0x3f800000, 0xc0490000, 0x00010000, 0x7f800000).buffer),
    );
  });

  const eight = new Uint8Array(8);
  const f32 = (shape: number[], begin: number, end: number): object => ({
    dtype: 'F32',
    shape,
    data_offsets: [begin, end],
  });
  it.each<[string, Uint8Array, RegExp]>([
    ['a file of three bytes', new Uint8Array(3), /has 3 bytes/],
    ['a header of 2⁶³ bytes', Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 128, 123), /header claims 9223372036854775808 bytes/],
    ['a header of 2⁶⁴ − 1 bytes', new Uint8Array(9).fill(255), /header claims 18446744073709551615 bytes/],
    ['a header longer than the file', Uint8Array.of(255, 0, 0, 0, 0, 0, 0, 0, 123), /header claims 255 bytes/],
    ['a header that is not JSON', rawBytes('{oops', eight), /not JSON/],
    ['a header that is a list', rawBytes('[]', eight), /not a JSON object/],
    ['a cut-off file', rawFile({ x: f32([2], 0, 8) }, new Uint8Array(4)), /cover 8 bytes and the file has 4/],
    ['bytes of no tensor', rawFile({ x: f32([1], 0, 4) }, eight), /cover 4 bytes and the file has 8/],
    ['overlapping tensors', rawFile({ x: f32([2], 0, 8), y: f32([1], 4, 8) }, eight), /'y' begins at byte 4/],
    [
      'a duplicate name',
      rawBytes(
        '{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"x":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}',
        eight,
      ),
      /'x' begins at byte 4/,
    ],
    ['a shape that does not fit its bytes', rawFile({ x: f32([3], 0, 8) }, eight), /needs 12 bytes/],
    ['a negative size', rawFile({ x: f32([-2], 0, 8) }, eight), /shape \[-2\]/],
    ['a fractional offset', rawFile({ x: f32([2], 0, 8.5) }, eight), /data_offsets \[0,8.5\]/],
  ])('refuses %s', (_, file, message) => {
    expect(() => decodeSafetensors(file, 'model.safetensors')).toThrow(message);
    expect(() => decodeSafetensors(file, 'model.safetensors')).toThrow(
      expect.objectContaining({ code: 'checkpoint-corrupt' }),
    );
  });

  it('names a number type that it does not read', () => {
    const file = rawFile({ x: { dtype: 'I64', shape: [1], data_offsets: [0, 8] } }, eight);
    expect(() => decodeSafetensors(file, 'file')).toThrow(
      new BackendError("file: tensor 'x' has dtype I64; this engine reads F32, BF16 and F16.", {
        code: 'checkpoint-unsupported',
      }),
    );
  });
});

function rawFile(header: object, data: Uint8Array): Uint8Array {
  return rawBytes(JSON.stringify(header), data);
}

function rawBytes(header: string, data: Uint8Array): Uint8Array {
  const json = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, data]);
}

function naiveHalf(bits: number): number {
  const sign = bits >> 15 === 1 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = (bits & 1023) / 1024;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * fraction * 2 ** -14 : sign * (1 + fraction) * 2 ** (exponent - 15);
}
