import { RequestError } from '../http/request-error.ts';
import { ExportParts, partsOfSpan } from './export-parts.ts';
import {
  deepestValue,
  statusCodes,
  type AnyAttributes,
  type AnyValue,
  type ExportedEvent,
  type ExportedGroup,
  type ExportedLink,
  type ExportedSpan,
} from './trace-export.ts';

type Json = Readonly<Record<string, unknown>>;

/**
 * Reads an `ExportTraceServiceRequest` as OTLP's JSON: ids in hex, 64-bit numbers as text or number, names in lowerCamelCase. Unknown members are left out.
 * @throws {RequestError} `request-invalid` naming the member that is wrong
 */
export function decodeJson(value: unknown): readonly ExportedGroup[] {
  const parts = new ExportParts();
  return listOf(parts, 'resourceSpans', objectOf('the body', value)['resourceSpans']).map((group, index) =>
    readGroup(parts, group, index),
  );
}

function readGroup(parts: ExportParts, value: unknown, index: number): ExportedGroup {
  const at = `resourceSpans[${index}]`;
  const { resource, scopeSpans, schemaUrl } = objectOf(at, value);
  const attributes = readAttributes(
    parts,
    `${at}.resource`,
    resource === undefined ? undefined : objectOf(`${at}.resource`, resource)['attributes'],
  );
  return {
    resource: { attributes, schemaUrl: textOf(`${at}.schemaUrl`, schemaUrl) },
    spans: listOf(parts, `${at}.scopeSpans`, scopeSpans).flatMap((scope, which) =>
      listOf(parts, `${at}.scopeSpans[${which}].spans`, objectOf(`${at}.scopeSpans[${which}]`, scope)['spans']).map(
        (span, place) => readSpan(parts, `${at}.scopeSpans[${which}].spans[${place}]`, span),
      ),
    ),
  };
}

function readSpan(parts: ExportParts, at: string, value: unknown): ExportedSpan {
  parts.count(partsOfSpan);
  const span = objectOf(at, value);
  const status = span['status'] === undefined ? {} : objectOf(`${at}.status`, span['status']);
  return {
    traceId: hexOf(`${at}.traceId`, span['traceId']),
    spanId: hexOf(`${at}.spanId`, span['spanId']),
    parentSpanId: hexOf(`${at}.parentSpanId`, span['parentSpanId']),
    name: textOf(`${at}.name`, span['name']),
    startTimeMs: momentOf(`${at}.startTimeUnixNano`, span['startTimeUnixNano']),
    endTimeMs: momentOf(`${at}.endTimeUnixNano`, span['endTimeUnixNano']),
    attributes: readAttributes(parts, at, span['attributes']),
    events: listOf(parts, `${at}.events`, span['events']).map((event, index) =>
      readEvent(parts, `${at}.events[${index}]`, event),
    ),
    links: listOf(parts, `${at}.links`, span['links']).map((link, index) =>
      readLink(parts, `${at}.links[${index}]`, link),
    ),
    statusCode: statusOf(status['code']),
    statusMessage: textOf(`${at}.status.message`, status['message']),
  };
}

function readEvent(parts: ExportParts, at: string, value: unknown): ExportedEvent {
  const event = objectOf(at, value);
  return {
    name: textOf(`${at}.name`, event['name']),
    timeMs: momentOf(`${at}.timeUnixNano`, event['timeUnixNano']),
    attributes: readAttributes(parts, at, event['attributes']),
  };
}

function readLink(parts: ExportParts, at: string, value: unknown): ExportedLink {
  const link = objectOf(at, value);
  return {
    traceId: hexOf(`${at}.traceId`, link['traceId']),
    spanId: hexOf(`${at}.spanId`, link['spanId']),
    attributes: readAttributes(parts, at, link['attributes']),
  };
}

/** Reads a status code by its number, or by the name that some senders write. */
function statusOf(code: unknown): ExportedSpan['statusCode'] {
  if (code === 'STATUS_CODE_OK') return 'ok';
  if (code === 'STATUS_CODE_ERROR') return 'error';
  return typeof code === 'number' ? (statusCodes[code] ?? 'unset') : 'unset';
}

function readAttributes(parts: ExportParts, at: string, value: unknown, depth = 0): AnyAttributes {
  const entries = listOf(parts, `${at}.attributes`, value).map((item, index): [string, AnyValue] => {
    const entry = objectOf(`${at}.attributes[${index}]`, item);
    const key = textOf(`${at}.attributes[${index}].key`, entry['key']);
    return [key, readValue(parts, `${at}.attributes[${index}].value`, entry['value'], depth)];
  });
  return Object.fromEntries(entries);
}

function readValue(parts: ExportParts, at: string, value: unknown, depth: number): AnyValue {
  if (depth > deepestValue) throw invalid(at, `is nested more than ${deepestValue} levels deep`);
  if (value === undefined || value === null) return null;
  const { stringValue, boolValue, intValue, doubleValue, arrayValue, kvlistValue, bytesValue } = objectOf(at, value);
  if (typeof stringValue === 'string') return stringValue;
  if (typeof boolValue === 'boolean') return boolValue;
  if (intValue !== undefined) return numberOf(`${at}.intValue`, intValue);
  if (doubleValue !== undefined) return numberOf(`${at}.doubleValue`, doubleValue);
  if (arrayValue !== undefined)
    return listOf(parts, `${at}.arrayValue.values`, objectOf(`${at}.arrayValue`, arrayValue)['values']).map(
      (item, index) => readValue(parts, `${at}.arrayValue.values[${index}]`, item, depth + 1),
    );
  if (kvlistValue !== undefined)
    return readAttributes(parts, `${at}.kvlistValue`, objectOf(`${at}.kvlistValue`, kvlistValue)['values'], depth + 1);
  if (typeof bytesValue === 'string') return Buffer.from(bytesValue, 'base64').toString('hex');
  return null;
}

function numberOf(at: string, value: unknown): number {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (typeof number !== 'number' || (Number.isNaN(number) && value !== 'NaN')) throw invalid(at, 'must be a number');
  return number;
}

/** Returns milliseconds of nanoseconds; undefined for 0 and for none. */
function momentOf(at: string, value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined;
  const nanoseconds = numberOf(at, value);
  if (!(nanoseconds >= 0 && nanoseconds < 2 ** 64)) throw invalid(at, 'must be nanoseconds since the epoch');
  return nanoseconds === 0 ? undefined : nanoseconds / 1e6;
}

function hexOf(at: string, value: unknown): string {
  const text = textOf(at, value).toLowerCase();
  if (!/^(?:[0-9a-f]{2}){0,64}$/u.test(text)) throw invalid(at, 'must be an id in hex');
  return text;
}

function textOf(at: string, value: unknown): string {
  if (value === undefined || value === null) return '';
  if (typeof value !== 'string') throw invalid(at, 'must be a text');
  return value;
}

function listOf(parts: ExportParts, at: string, value: unknown): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw invalid(at, 'must be a list');
  parts.count(value.length);
  return value;
}

function objectOf(at: string, value: unknown): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(at, 'must be an object');
  return value as Json;
}

function invalid(at: string, problem: string): RequestError {
  return new RequestError(`${at} ${problem}`, { code: 'request-invalid' });
}
