import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate, zstdDecompress } from 'node:zlib';
import { RequestError } from './request-error.ts';

type Decoder = (bytes: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>;

const decoders: Readonly<Record<string, Decoder>> = {
  gzip: promisify(gunzip) as never,
  deflate: promisify(inflate) as never,
  br: promisify(brotliDecompress) as never,
  zstd: promisify(zstdDecompress) as never,
};

/** The highest ratio of decompression: spans shrink to a tenth or so, and only a crafted body shrinks to less than a hundredth. */
const maxRatio = 100;
/** The size that any body may unpack to, so that short repetitive bodies pass. */
const freeBytes = 1_048_576;

/** Returns the most bytes that a body of `packedBytes` may unpack to. */
export function unpackedLimit(packedBytes: number, limitBytes: number): number {
  return Math.min(limitBytes, Math.max(freeBytes, maxRatio * packedBytes));
}

/** Returns the error for a body over the limit. */
export function tooLarge(limitBytes: number): RequestError {
  return new RequestError(
    `the request body is larger than ${limitBytes} bytes; send less at once, or raise the server's maxBodyBytes`,
    { code: 'request-too-large', headers: { connection: 'close' } },
  );
}

/** Unpacks a body; the limit counts decompressed bytes. @throws {RequestError} `request-too-large`; `request-invalid` for an unknown encoding or broken bytes */
export async function unpackBody(bytes: Buffer, encoding: string, limitBytes: number): Promise<Buffer> {
  const decoder = Object.hasOwn(decoders, encoding) ? decoders[encoding] : undefined;
  if (decoder === undefined)
    throw new RequestError(
      `the content encoding "${encoding.slice(0, 40)}" is not supported; send the body plain, or as gzip, deflate, br or zstd`,
      { code: 'request-invalid', status: 415 },
    );
  const maxOutputLength = unpackedLimit(bytes.length, limitBytes);
  try {
    return await decoder(bytes, { maxOutputLength });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_BUFFER_TOO_LARGE')
      throw new RequestError(`the request body is not valid ${encoding}`, { code: 'request-invalid', cause });
    if (maxOutputLength === limitBytes) throw tooLarge(limitBytes);
    throw new RequestError(
      `the request body of ${bytes.length} bytes of ${encoding} unpacks to more than ${maxOutputLength} bytes, over ${maxRatio} times as much; send it plain`,
      { code: 'request-too-large' },
    );
  }
}
