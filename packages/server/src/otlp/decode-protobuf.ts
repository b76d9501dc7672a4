import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { RequestError } from '../http/request-error.ts';
import { ExportParts, partsOfSpan } from './export-parts.ts';
import {
  deepestValue,
  setMember,
  statusCodes,
  type AnyAttributes,
  type AnyValue,
  type ExportedEvent,
  type ExportedGroup,
  type ExportedLink,
  type ExportedResource,
  type ExportedSpan,
} from './trace-export.ts';

/** Reads one field of a message, and returns false for one that it does not know, which is skipped. */
type ReadField = (field: number, type: WireType) => boolean;

/** Attributes that are being read. */
type Attributes = Record<string, AnyValue>;

class ExportReader extends BinaryReader {
  readonly parts: ExportParts = new ExportParts();
}

/**
 * Reads an `ExportTraceServiceRequest`. The fields are those of opentelemetry-proto 1.x, which never change their numbers; unknown ones are skipped.
 * @throws {RequestError} `request-invalid` for bytes that are no such message
 */
export function decodeProtobuf(bytes: Uint8Array): readonly ExportedGroup[] {
  const reader = new ExportReader(bytes);
  const groups: ExportedGroup[] = [];
  try {
    readMessage(reader, bytes.length, (field, type) => {
      if (field !== 1 || type !== WireType.LengthDelimited) return false;
      groups.push(readGroup(reader));
      return true;
    });
  } catch (cause) {
    if (cause instanceof RequestError) throw cause;
    throw new RequestError(
      `the request body is no ExportTraceServiceRequest of protobuf: ${(cause as Error).message.slice(0, 200)}`,
      { code: 'request-invalid', cause },
    );
  }
  return groups;
}

/** Reads fields up to `end`. */
function readMessage(reader: ExportReader, end: number, readField: ReadField): void {
  while (reader.pos < end) {
    const [field, type] = reader.tag();
    if (!readField(field, type)) reader.skip(type, field);
    if (reader.pos > end) throw new RangeError('a field is longer than its message');
  }
}

/** Reads the length of an embedded message and then its fields. */
function readEmbedded(reader: ExportReader, readField: ReadField): void {
  reader.parts.count(1);
  const end = reader.uint32() + reader.pos;
  if (end > reader.len) throw new RangeError('premature end');
  readMessage(reader, end, readField);
}

function readGroup(reader: ExportReader): ExportedGroup {
  let attributes: AnyAttributes = {};
  let schemaUrl = '';
  const spans: ExportedSpan[] = [];
  readEmbedded(reader, (field, type) => {
    if (type !== WireType.LengthDelimited) return false;
    if (field === 1) attributes = readResource(reader);
    else if (field === 2) readScope(reader, spans);
    else if (field === 3) schemaUrl = reader.string();
    else return false;
    return true;
  });
  const resource: ExportedResource = { attributes, schemaUrl };
  return { resource, spans };
}

function readResource(reader: ExportReader): AnyAttributes {
  const attributes: Attributes = {};
  readEmbedded(reader, (field, type) => {
    if (field !== 1 || type !== WireType.LengthDelimited) return false;
    readEntry(reader, attributes);
    return true;
  });
  return attributes;
}

function readScope(reader: ExportReader, spans: ExportedSpan[]): void {
  readEmbedded(reader, (field, type) => {
    if (field !== 2 || type !== WireType.LengthDelimited) return false;
    spans.push(readSpan(reader));
    return true;
  });
}

function readSpan(reader: ExportReader): ExportedSpan {
  reader.parts.count(partsOfSpan);
  const span = {
    traceId: '',
    spanId: '',
    parentSpanId: '',
    name: '',
    startTimeMs: undefined as number | undefined,
    endTimeMs: undefined as number | undefined,
    statusCode: 'unset' as ExportedSpan['statusCode'],
    statusMessage: '',
  };
  const attributes: Attributes = {};
  const events: ExportedEvent[] = [];
  const links: ExportedLink[] = [];
  readEmbedded(reader, (field, type) => {
    if (type === WireType.Bit64) {
      if (field === 7) span.startTimeMs = readMoment(reader);
      else if (field === 8) span.endTimeMs = readMoment(reader);
      else return false;
      return true;
    }
    if (type !== WireType.LengthDelimited) return false;
    if (field === 1) span.traceId = readHex(reader);
    else if (field === 2) span.spanId = readHex(reader);
    else if (field === 4) span.parentSpanId = readHex(reader);
    else if (field === 5) span.name = reader.string();
    else if (field === 9) readEntry(reader, attributes);
    else if (field === 11) events.push(readEvent(reader));
    else if (field === 13) links.push(readLink(reader));
    else if (field === 15) Object.assign(span, readStatus(reader));
    else return false;
    return true;
  });
  return { ...span, attributes, events, links };
}

function readEvent(reader: ExportReader): ExportedEvent {
  let timeMs: number | undefined;
  let name = '';
  const attributes: Attributes = {};
  readEmbedded(reader, (field, type) => {
    if (field === 1 && type === WireType.Bit64) timeMs = readMoment(reader);
    else if (field === 2 && type === WireType.LengthDelimited) name = reader.string();
    else if (field === 3 && type === WireType.LengthDelimited) readEntry(reader, attributes);
    else return false;
    return true;
  });
  return { name, timeMs, attributes };
}

function readLink(reader: ExportReader): ExportedLink {
  let traceId = '';
  let spanId = '';
  const attributes: Attributes = {};
  readEmbedded(reader, (field, type) => {
    if (type !== WireType.LengthDelimited) return false;
    if (field === 1) traceId = readHex(reader);
    else if (field === 2) spanId = readHex(reader);
    else if (field === 4) readEntry(reader, attributes);
    else return false;
    return true;
  });
  return { traceId, spanId, attributes };
}

function readStatus(reader: ExportReader): Pick<ExportedSpan, 'statusCode' | 'statusMessage'> {
  let statusMessage = '';
  let statusCode: ExportedSpan['statusCode'] = 'unset';
  readEmbedded(reader, (field, type) => {
    if (field === 2 && type === WireType.LengthDelimited) statusMessage = reader.string();
    else if (field === 3 && type === WireType.Varint) statusCode = statusCodes[reader.int32()] ?? 'unset';
    else return false;
    return true;
  });
  return { statusCode, statusMessage };
}

function readEntry(reader: ExportReader, into: Attributes, depth = 0): void {
  let key = '';
  let value: AnyValue = null;
  readEmbedded(reader, (field, type) => {
    if (type !== WireType.LengthDelimited) return false;
    if (field === 1) key = reader.string();
    else if (field === 2) value = readValue(reader, depth);
    else return false;
    return true;
  });
  setMember<AnyValue>(into, key, value);
}

function readValue(reader: ExportReader, depth: number): AnyValue {
  if (depth > deepestValue)
    throw new RequestError(`an attribute is nested more than ${deepestValue} levels deep`, { code: 'request-invalid' });
  let value: AnyValue = null;
  readEmbedded(reader, (field, type) => {
    if (field === 1 && type === WireType.LengthDelimited) value = reader.string();
    else if (field === 2 && type === WireType.Varint) value = reader.bool();
    else if (field === 3 && type === WireType.Varint) value = Number(reader.int64());
    else if (field === 4 && type === WireType.Bit64) value = reader.double();
    else if (field === 5 && type === WireType.LengthDelimited) value = readList(reader, depth + 1);
    else if (field === 6 && type === WireType.LengthDelimited) value = readObject(reader, depth + 1);
    else if (field === 7 && type === WireType.LengthDelimited) value = readHex(reader);
    else return false;
    return true;
  });
  return value;
}

function readList(reader: ExportReader, depth: number): readonly AnyValue[] {
  const values: AnyValue[] = [];
  readEmbedded(reader, (field, type) => {
    if (field !== 1 || type !== WireType.LengthDelimited) return false;
    values.push(readValue(reader, depth));
    return true;
  });
  return values;
}

function readObject(reader: ExportReader, depth: number): AnyAttributes {
  const attributes: Attributes = {};
  readEmbedded(reader, (field, type) => {
    if (field !== 1 || type !== WireType.LengthDelimited) return false;
    readEntry(reader, attributes, depth);
    return true;
  });
  return attributes;
}

function readHex(reader: ExportReader): string {
  const bytes = reader.bytes();
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}

/** Reads nanoseconds since the epoch, a fixed64 in two halves, and returns milliseconds; undefined for 0, which says that there is none. */
function readMoment(reader: ExportReader): number | undefined {
  const low = reader.fixed32();
  const high = reader.fixed32();
  return low === 0 && high === 0 ? undefined : (high * 4_294_967_296 + low) / 1e6;
}
