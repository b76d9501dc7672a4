import type { IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate, zstdDecompress } from 'node:zlib';
import { WireError } from './wire-error.ts';

/** A JSON object as it came over the wire. */
export type JsonObject = { readonly [key: string]: unknown };

const decoders: Readonly<Record<string, (bytes: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>>> = {
  gzip: promisify(gunzip) as never,
  deflate: promisify(inflate) as never,
  br: promisify(brotliDecompress) as never,
  zstd: promisify(zstdDecompress) as never,
};

function tooLarge(limitBytes: number): WireError {
  return new WireError(
    `the request body is larger than ${limitBytes} bytes; send less, or raise the gateway's maxBodyBytes`,
    {
      code: 'request-too-large',
      headers: { connection: 'close' },
    },
  );
}

/** Counts while reading, and stops at the limit: what is over it is never kept. */
function readBytes(request: IncomingMessage, limitBytes: number): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > limitBytes) return Promise.reject(tooLarge(limitBytes));
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
      reject(new WireError('the request ended before its body did', { code: 'request-invalid', cause })),
    );
  });
}

async function decode(bytes: Buffer, encoding: string, limitBytes: number): Promise<Buffer> {
  const decoder = decoders[encoding];
  if (decoder === undefined) {
    throw new WireError(
      `the content encoding "${encoding.slice(0, 40)}" is not supported; send the body plain, or as gzip, deflate, br or zstd`,
      { code: 'request-invalid', status: 415 },
    );
  }
  try {
    return await decoder(bytes, { maxOutputLength: limitBytes });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(limitBytes);
    throw new WireError(`the request body is not valid ${encoding}`, { code: 'request-invalid', cause });
  }
}

/** Deeper than any request means, and shallow enough for every recursive reader of it. */
const maxDepth = 100;

function isTooDeep(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (depth > maxDepth) return true;
  if (Array.isArray(value)) return value.some((item) => isTooDeep(item, depth + 1));
  for (const key in value) if (isTooDeep((value as JsonObject)[key], depth + 1)) return true;
  return false;
}

function parse(bytes: Buffer): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new WireError(`the request body is not valid JSON: ${(cause as Error).message.slice(0, 200)}`, {
      code: 'request-invalid',
      cause,
    });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new WireError('the request body must be a JSON object', { code: 'request-invalid' });
  }
  if (isTooDeep(value, 0))
    throw new WireError(`the request body is nested more than ${maxDepth} levels deep`, { code: 'request-invalid' });
  return value as JsonObject;
}

/**
 * Reads a JSON object of at most `limitBytes`, before and after decompression.
 * @throws {WireError} `request-too-large`; `request-invalid` for another content type, encoding or JSON
 */
export async function readJsonBody(request: IncomingMessage, limitBytes: number): Promise<JsonObject> {
  const type = request.headers['content-type'] ?? 'application/json';
  if (!/^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/iu.test(type)) {
    throw new WireError(`the content type must be application/json, not "${type.slice(0, 80)}"`, {
      code: 'request-invalid',
      status: 415,
    });
  }
  const bytes = await readBytes(request, limitBytes);
  const encoding = (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase();
  return parse(encoding === 'identity' ? bytes : await decode(bytes, encoding, limitBytes));
}
