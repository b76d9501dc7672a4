/**
 * Writes events of TensorBoard: protobuf messages `Event` (tensorboard/compat/proto/event.proto), each in a record of TensorFlow, which is its
 * length, a checksum of the length, the message, and a checksum of the message.
 */
import { maskedCrc32c } from './crc32c.ts';

/** One event. */
export interface TensorBoardEvent {
  /** Milliseconds since the epoch. */
  readonly atMs: number;
  readonly step?: number;
  /** The version of the file; in its first event only. */
  readonly fileVersion?: string;
  /** True for the event that begins a session: what a reader has of this and later steps is void. */
  readonly isStart?: boolean;
  /** Numbers by tag, written as float32. */
  readonly scalars?: Readonly<Record<string, number>>;
}

/** Returns an event as a record of a file. */
export function encodeRecord(event: TensorBoardEvent): Buffer {
  const message = encodeEvent(event);
  const head = Buffer.alloc(12);
  head.writeBigUInt64LE(BigInt(message.length), 0);
  head.writeUInt32LE(maskedCrc32c(head.subarray(0, 8)), 8);
  const tail = Buffer.alloc(4);
  tail.writeUInt32LE(maskedCrc32c(message), 0);
  return Buffer.concat([head, message, tail]);
}

function encodeEvent({ atMs, step, fileVersion, isStart, scalars }: TensorBoardEvent): Buffer {
  const fields = [doubleField(1, atMs / 1_000)];
  if (step !== undefined) fields.push(varintField(2, step));
  if (fileVersion !== undefined) fields.push(bytesField(3, Buffer.from(fileVersion)));
  if (scalars !== undefined) fields.push(bytesField(5, encodeSummary(scalars)));
  if (isStart === true) fields.push(bytesField(7, varintField(1, 1))); // SessionLog { status: START }
  return Buffer.concat(fields);
}

function encodeSummary(scalars: Readonly<Record<string, number>>): Buffer {
  return Buffer.concat(
    Object.entries(scalars).map(([tag, value]) =>
      bytesField(1, Buffer.concat([bytesField(1, Buffer.from(tag)), floatField(2, value)])),
    ),
  );
}

/** The ways in which protobuf writes a field. */
const wireTypes = { varint: 0, double: 1, bytes: 2, float: 5 } as const;

function tagOf(field: number, type: keyof typeof wireTypes): Buffer {
  return encodeVarint(field * 8 + wireTypes[type]);
}

function varintField(field: number, value: number): Buffer {
  return Buffer.concat([tagOf(field, 'varint'), encodeVarint(value)]);
}

function doubleField(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value, 0);
  return Buffer.concat([tagOf(field, 'double'), bytes]);
}

function floatField(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value, 0);
  return Buffer.concat([tagOf(field, 'float'), bytes]);
}

function bytesField(field: number, bytes: Buffer): Buffer {
  return Buffer.concat([tagOf(field, 'bytes'), encodeVarint(bytes.length), bytes]);
}

/** Returns a whole number from 0 to 2^53 − 1 in groups of 7 bits, the lowest first. */
function encodeVarint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return Buffer.from([...bytes, rest]);
}
