/**
 * Reads and writes the safetensors format: 8 bytes of little-endian header length, a JSON header that names each tensor's type, shape and
 * byte range, then the data. Tensors are read into float32 and written as float32.
 *
 * @source https://huggingface.co/docs/safetensors (format description)
 */

import { corrupt, unsupported } from '@agent-lightning/text';

/** A named block of numbers in row-major order. */
export interface Tensor {
  readonly shape: readonly number[];
  /** Shape `shape`, flattened. */
  readonly data: Float32Array;
}

/** The content of a safetensors file. */
export interface TensorFile {
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** Free text that travels with the tensors. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** A tensor of a file; `begin` and `end` are byte positions in its data. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: keyof typeof elementBytes;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

export const elementBytes = { F32: 4, BF16: 2, F16: 2 } as const;
/** Bytes of the header's length, at the start of a file. */
export const lengthBytes = 8;
/** The reference implementation's limit on the header. */
const maxHeaderBytes = 100_000_000;

/**
 * Reads a whole file. BF16 and F16 become float32, which is exact.
 *
 * @param source what to call the file in an error
 * @throws {BackendError} `checkpoint-corrupt` for bounds, holes, overlaps or shapes that do not add up;
 *   `checkpoint-unsupported` for a number type other than F32, BF16, F16
 */
export function decodeSafetensors(file: Uint8Array, source: string): TensorFile {
  const dataStart = lengthBytes + headerBytesOf(file, file.byteLength, source);
  const { entries, metadata } = readEntries(file.subarray(lengthBytes, dataStart), file.byteLength - dataStart, source);
  const tensors = new Map<string, Tensor>();
  for (const entry of entries) {
    const bytes = new Uint8Array(file.subarray(dataStart + entry.begin, dataStart + entry.end)); // a copy: aligned and owned
    tensors.set(entry.name, { shape: entry.shape, data: toFloat32(bytes, entry.dtype) });
  }
  return { tensors, metadata };
}

/** Writes tensors as F32, in the order of the map, data aligned to 8 bytes. */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, Tensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const shapes = new Map([...tensors].map(([name, { shape }]) => [name, shape]));
  const pieces = [
    ...safetensorPieces(
      shapes,
      [...tensors].map(([name, { data }]) => [name, data] as const),
      metadata,
    ),
  ];
  const file = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.byteLength, 0));
  let position = 0;
  for (const piece of pieces) {
    file.set(piece, position);
    position += piece.byteLength;
  }
  return file;
}

/**
 * Returns the pieces of a file one after the other, header first, so that large weights are never in memory together.
 *
 * @param tensors in the order of `shapes`, and with as many numbers
 */
export function* safetensorPieces(
  shapes: ReadonlyMap<string, readonly number[]>,
  tensors: Iterable<readonly [string, Float32Array]>,
  metadata: Readonly<Record<string, string>> = {},
): Generator<Uint8Array, void> {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt', ...metadata } };
  let offset = 0;
  for (const [name, shape] of shapes) {
    const end = offset + shape.reduce((product, size) => product * size, 1) * elementBytes.F32;
    header[name] = { dtype: 'F32', shape, data_offsets: [offset, end] };
    offset = end;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const headerBytes = Math.ceil(json.byteLength / lengthBytes) * lengthBytes;
  const start = new Uint8Array(lengthBytes + headerBytes).fill(0x20); // the format pads its header with spaces
  new DataView(start.buffer).setBigUint64(0, BigInt(headerBytes), true);
  start.set(json, lengthBytes);
  yield start;
  const names = shapes.keys();
  for (const [name, { buffer, byteOffset, byteLength }] of tensors) {
    const expected = names.next().value;
    if (name !== expected) throw new TypeError(`The tensor '${name}' was given where '${expected}' was expected.`);
    yield new Uint8Array(buffer, byteOffset, byteLength);
  }
  const missing = names.next().value;
  if (missing !== undefined) throw new TypeError(`The tensor '${missing}' was not given.`);
}

/** Returns the bytes of the header that follows the first 8 bytes of a file. @throws {BackendError} `checkpoint-corrupt` */
export function headerBytesOf(start: Uint8Array, fileBytes: number, source: string): number {
  if (fileBytes < lengthBytes) throw corrupt(source, `it has ${fileBytes} bytes, too few for a header length`);
  const headerBytes = new DataView(start.buffer, start.byteOffset).getBigUint64(0, true);
  if (headerBytes > BigInt(Math.min(maxHeaderBytes, fileBytes - lengthBytes)))
    throw corrupt(source, `its header claims ${headerBytes} bytes, and the file has ${fileBytes}`);
  return Number(headerBytes);
}

/** Reads a header: the tensors that follow it in `dataBytes` bytes, and the free text. @throws {BackendError} `checkpoint-corrupt` | `checkpoint-unsupported` */
export function readEntries(
  json: Uint8Array,
  dataBytes: number,
  source: string,
): { readonly entries: readonly TensorEntry[]; readonly metadata: Readonly<Record<string, string>> } {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(json));
  } catch (cause) {
    throw corrupt(source, 'its header is not JSON', cause);
  }
  if (!isRecord(header)) throw corrupt(source, 'its header is not a JSON object');
  const { __metadata__: metadata, ...described } = header;
  const entries = Object.entries(described).map(([name, value]) => readEntry(name, value, source));
  requireFullCover(entries, dataBytes, source);
  return { entries, metadata: readMetadata(metadata, source) };
}

function readEntry(name: string, value: unknown, source: string): TensorEntry {
  if (!isRecord(value)) throw corrupt(source, `the header entry of '${name}' is not an object`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string') throw corrupt(source, `'${name}' has no dtype`);
  if (!isSupportedType(dtype)) {
    throw unsupported(source, `tensor '${name}' has dtype ${dtype}; this engine reads F32, BF16 and F16`);
  }
  if (!isNaturals(shape)) throw corrupt(source, `'${name}' has shape ${JSON.stringify(shape)}`);
  if (!isNaturals(offsets) || offsets.length !== 2)
    throw corrupt(source, `'${name}' has data_offsets ${JSON.stringify(offsets)}`);
  const [begin = 0, end = 0] = offsets;
  const wanted = shape.reduce((product, size) => product * size, 1) * elementBytes[dtype];
  if (end - begin !== wanted) {
    throw corrupt(
      source,
      `'${name}' of shape [${shape.join(', ')}] needs ${wanted} bytes and its data_offsets give ${end - begin}`,
    );
  }
  return { name, dtype, shape, begin, end };
}

/** Checks that there is no hole, no overlap and nothing beyond the end, so that no duplicate key can hide a tensor. */
function requireFullCover(entries: readonly TensorEntry[], dataBytes: number, source: string): void {
  let covered = 0;
  for (const { name, begin, end } of entries.toSorted((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== covered)
      throw corrupt(
        source,
        `'${name}' begins at byte ${begin} of the data; ${covered} was expected (a hole, an overlap or a duplicate)`,
      );
    covered = end;
  }
  if (covered !== dataBytes)
    throw corrupt(source, `its tensors cover ${covered} bytes and the file has ${dataBytes}: cut off or padded`);
}

function readMetadata(value: unknown, source: string): Record<string, string> {
  if (value === undefined) return {};
  if (!isRecord(value)) throw corrupt(source, '__metadata__ is not an object');
  const metadata: Record<string, string> = {};
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string') throw corrupt(source, `__metadata__.${key} is not a string`);
    metadata[key] = text;
  }
  return metadata;
}

/** Converts the numbers of a tensor, exactly; float32 numbers stay where they are. */
export function toFloat32(bytes: Uint8Array<ArrayBuffer>, dtype: TensorEntry['dtype']): Float32Array {
  if (dtype === 'F32') return new Float32Array(bytes.buffer);
  const halves = new Uint16Array(bytes.buffer);
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i += 1) {
    const half = halves[i] ?? 0;
    bits[i] = dtype === 'BF16' ? half << 16 : float16ToFloat32Bits(half);
  }
  return new Float32Array(bits.buffer);
}

/** Converts IEEE 754 binary16 to binary32, exactly, subnormals and infinities included. */
function float16ToFloat32Bits(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return sign | 0x7f800000 | (fraction << 13);
  if (exponent !== 0) return sign | ((exponent + 112) << 23) | (fraction << 13);
  if (fraction === 0) return sign;
  const shift = Math.clz32(fraction) - 21; // moves the leading one to bit 10
  return sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13);
}

function isSupportedType(dtype: string): dtype is TensorEntry['dtype'] {
  return Object.hasOwn(elementBytes, dtype);
}

function isNaturals(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((entry) => Number.isSafeInteger(entry) && entry >= 0);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
