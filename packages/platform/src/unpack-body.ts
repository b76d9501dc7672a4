import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate, zstdDecompress } from 'node:zlib';

type Decoder = (bytes: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>;

const decoders: Readonly<Record<string, Decoder>> = {
  gzip: promisify(gunzip) as never,
  deflate: promisify(inflate) as never,
  br: promisify(brotliDecompress) as never,
  zstd: promisify(zstdDecompress) as never,
};

/** The highest ratio of decompression. Texts of people or models shrink to a tenth; only a crafted body shrinks to less than a hundredth. */
const maxRatio = 100;
/** The size that any body may unpack to, so that short repetitive texts pass. */
const freeBytes = 1_048_576;

/** Makes the errors of a server, each of its own class. */
export interface UnpackErrors {
  /** Returns the error for a body that cannot be unpacked. */
  readonly refuse: (message: string, options: RefusalOptions) => Error;
  /** Returns the error for a body over the limit. */
  readonly tooLarge: (limitBytes: number) => Error;
}

type RefusalOptions = {
  readonly code: 'request-invalid' | 'request-too-large';
  readonly status?: number;
  readonly cause?: unknown;
};

/** Returns the most bytes that a body of `packedBytes` may unpack to. */
export function unpackedLimit(packedBytes: number, limitBytes: number): number {
  return Math.min(limitBytes, Math.max(freeBytes, maxRatio * packedBytes));
}

/** Unpacks the body of a request that came as gzip, deflate, br or zstd; the limit counts unpacked bytes. Throws what `errors` makes. */
export async function unpackBody(
  bytes: Buffer,
  encoding: string,
  limitBytes: number,
  errors: UnpackErrors,
): Promise<Buffer> {
  const decoder = Object.hasOwn(decoders, encoding) ? decoders[encoding] : undefined;
  if (decoder === undefined)
    throw errors.refuse(
      `the content encoding "${encoding.slice(0, 40)}" is not supported; send the body plain, or as gzip, deflate, br or zstd`,
      { code: 'request-invalid', status: 415 },
    );
  const maxOutputLength = unpackedLimit(bytes.length, limitBytes);
  try {
    return await decoder(bytes, { maxOutputLength });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_BUFFER_TOO_LARGE')
      throw errors.refuse(`the request body is not valid ${encoding}`, { code: 'request-invalid', cause });
    if (maxOutputLength === limitBytes) throw errors.tooLarge(limitBytes);
    throw errors.refuse(
      `the request body of ${bytes.length} bytes of ${encoding} unpacks to more than ${maxOutputLength} bytes, over ${maxRatio} times as much; send it plain`,
      { code: 'request-too-large' },
    );
  }
}
