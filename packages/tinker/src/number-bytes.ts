/** Converts arrays of numbers to the little-endian bytes in which the protocol's protobuf messages carry them, and back. */

/** The types of numbers in the protocol's messages. */
export type NumberType = 'int32' | 'int64' | 'float32' | 'bfloat16';

/** The bytes of one number. */
export const numberSizes: Readonly<Record<NumberType, number>> = { int32: 4, int64: 8, float32: 4, bfloat16: 2 };

/** Returns numbers as bytes; a float32 is rounded to the nearest, an int64 must be a safe integer. */
export function toBytes(type: 'int32' | 'int64' | 'float32', values: ArrayLike<number>): Uint8Array<ArrayBuffer> {
  const size = numberSizes[type];
  const bytes = new Uint8Array(values.length * size);
  const view = new DataView(bytes.buffer);
  for (let index = 0; index < values.length; index++) {
    const value = values[index]!;
    if (type === 'int32') view.setInt32(index * size, value, true);
    else if (type === 'float32') view.setFloat32(index * size, value, true);
    else view.setBigInt64(index * size, BigInt(value), true);
  }
  return bytes;
}

/** Reads the numbers in `bytes`; returns undefined where the last one is cut off. */
export function fromBytes(type: NumberType, bytes: Uint8Array): readonly number[] | undefined {
  const size = numberSizes[type];
  if (bytes.length % size !== 0) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / size }, (_, index) => readNumber(view, index * size, type));
}

function readNumber(view: DataView, at: number, type: NumberType): number {
  if (type === 'int32') return view.getInt32(at, true);
  if (type === 'int64') return Number(view.getBigInt64(at, true));
  if (type === 'float32') return view.getFloat32(at, true);
  // The upper half of a float32, whose lower half is 0.
  const whole = new DataView(new ArrayBuffer(4));
  whole.setUint32(0, view.getUint16(at, true) << 16);
  return whole.getFloat32(0);
}
