import type { IncomingMessage } from 'node:http';
import { maxDepth, measureJson } from './json-measure.ts';
import { unpackBody, unpackedLimit, type UnpackErrors } from '@agent-lightning/platform';
import { ReplyError } from './reply-error.ts';

/** A JSON object as it came. */
export type JsonObject = { readonly [key: string]: unknown };

/** The limits of one body. */
export interface BodyLimits {
  /** The most bytes, before and after decompression. */
  readonly maxBodyBytes: number;
  /** The most values, as `JsonMeasure.values` counts them. */
  readonly maxBodyValues: number;
}

/** Gets the time that the event loop was held by one body, whether it was accepted or not. */
export type OnHeld = (milliseconds: number) => void;

/** Keeps parts of a body's text, and returns the number of their characters. */
export type KeepTexts = (body: JsonObject, text: string) => number;

/** A body and what it is taken to hold of memory. */
export interface ReadBody {
  readonly body: JsonObject;
  readonly heldBytes: number;
}

/** The most that a value takes on the heap beside its text: measured over lists, objects, fields and short texts. */
const bytesPerValue = 24;

function heldBytes(bytes: number, values: number): number {
  return bytes + bytesPerValue * values;
}

/** Returns the announced length; undefined where a body comes in chunks. */
function announcedLength(request: IncomingMessage): number | undefined {
  const length = request.headers['content-length'];
  return length === undefined ? undefined : Number(length);
}

function encodingOf(request: IncomingMessage): string {
  return (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase();
}

/** Returns the most memory that a body may hold, before anything of it is read. @throws {ReplyError} `request-too-large` by its announced length */
export function mostHeldBytes(request: IncomingMessage, { maxBodyBytes, maxBodyValues }: BodyLimits): number {
  const length = announcedLength(request) ?? maxBodyBytes;
  if (length > maxBodyBytes) throw tooLarge(maxBodyBytes);
  const bytes = encodingOf(request) === 'identity' ? length : unpackedLimit(length, maxBodyBytes);
  // `[]` counts for 4 and has two bytes: no JSON counts for more than twice its bytes.
  return heldBytes(bytes, Math.min(maxBodyValues, 2 * bytes));
}

/** Returns the error for a body over `maxBodyBytes`. */
function tooLarge(limitBytes: number): ReplyError {
  return new ReplyError(
    `the request body is larger than ${limitBytes} bytes; send less, or raise the gateway's maxBodyBytes`,
    { code: 'request-too-large', headers: { connection: 'close' } },
  );
}

const unpackErrors: UnpackErrors = { refuse: (message, options) => new ReplyError(message, options), tooLarge };

/** Reads a body and counts its bytes; it stops at the limit, and what is over it is never kept. */
function readBytes(request: IncomingMessage, limitBytes: number): Promise<Buffer> {
  if ((announcedLength(request) ?? 0) > limitBytes) return Promise.reject(tooLarge(limitBytes));
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > limitBytes) {
        request.pause().removeAllListeners('data');
        reject(tooLarge(limitBytes));
      } else chunks.push(chunk);
    });
    request.on('end', () =>
      resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)),
    );
    request.on('error', (cause) =>
      reject(new ReplyError('the request ended before its body did', { code: 'request-invalid', cause })),
    );
  });
}

/** Returns the count of values, and rejects a body that would take the parser and every reader after it long, which its bytes alone do not tell. */
function checkMeasure(bytes: Buffer, maxValues: number): number {
  const { values, depth } = measureJson(bytes, maxValues);
  if (depth > maxDepth)
    throw new ReplyError(`the request body is nested more than ${maxDepth} levels deep`, { code: 'request-invalid' });
  if (values > maxValues)
    throw new ReplyError(
      `the request body has more than ${maxValues} values, of which a text, a field, a list and an object count for 4; send less, or raise the gateway's maxBodyValues`,
      { code: 'request-too-large' },
    );
  return values;
}

function parse(text: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ReplyError(`the request body is not valid JSON: ${(cause as Error).message.slice(0, 200)}`, {
      code: 'request-invalid',
      cause,
    });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ReplyError('the request body must be a JSON object', { code: 'request-invalid' });
  }
  return value as JsonObject;
}

/**
 * Reads a JSON object that is within `limits`, which are checked before it is parsed.
 *
 * @param keepTexts sees the text before it is dropped
 * @param onHeld gets the time that counting and parsing took
 * @throws {ReplyError} `request-too-large`; `request-invalid` for another content type, encoding or JSON
 */
export async function readJsonBody(
  request: IncomingMessage,
  limits: BodyLimits,
  keepTexts: KeepTexts = () => 0,
  onHeld: OnHeld = () => undefined,
): Promise<ReadBody> {
  const type = request.headers['content-type'] ?? 'application/json';
  if (!/^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/iu.test(type)) {
    throw new ReplyError(`the content type must be application/json, not "${type.slice(0, 80)}"`, {
      code: 'request-invalid',
      status: 415,
    });
  }
  const read = await readBytes(request, limits.maxBodyBytes);
  const encoding = encodingOf(request);
  const bytes = encoding === 'identity' ? read : await unpackBody(read, encoding, limits.maxBodyBytes, unpackErrors);
  const startedMs = performance.now();
  try {
    const values = checkMeasure(bytes, limits.maxBodyValues);
    const text = bytes.toString('utf8');
    const body = parse(text);
    return { body, heldBytes: heldBytes(bytes.length, values) + keepTexts(body, text) };
  } finally {
    onHeld(performance.now() - startedMs);
  }
}
