import type { IncomingMessage } from 'node:http';
import { unpackBody, unpackedLimit, type UnpackErrors } from '@agent-lightning/platform';
import { RequestError } from './request-error.ts';

export interface BodyLimits {
  /** The most bytes of one body, after decompression. */
  readonly maxBodyBytes: number;
  /** The most bytes that the bodies of all requests in flight may hold. */
  readonly maxHeldBytes: number;
}

/** Returns the error for a body over the limit. */
function tooLarge(limitBytes: number, canBeRaised: boolean): RequestError {
  const raise = canBeRaised ? ", or raise the server's maxBodyBytes" : ': this route takes no more';
  return new RequestError(`the request body is larger than ${limitBytes} bytes; send less at once${raise}`, {
    code: 'request-too-large',
    headers: { connection: 'close' },
  });
}

/** Reads the bodies of requests, and bounds the memory that they hold together. */
export class BodyRoom {
  readonly #limits: BodyLimits;
  #heldBytes: number = 0;

  constructor(limits: BodyLimits) {
    this.#limits = limits;
  }

  /** Returns the bytes that bodies of requests in flight hold now. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /**
   * Reads and unpacks a body. Room is held for what has come of it, so that a slow sender holds little, until `until` resolves.
   * @param mostBytes a smaller limit than the server's
   * @throws {RequestError} `request-too-large` · `store-unavailable`, retryable, when there is no room now · `request-invalid`
   */
  async read(request: IncomingMessage, until: Promise<unknown>, mostBytes: number = Infinity): Promise<Buffer> {
    const limitBytes = Math.min(mostBytes, this.#limits.maxBodyBytes);
    const errors: UnpackErrors = {
      refuse: (message, options) => new RequestError(message, options),
      tooLarge: (bytes) => tooLarge(bytes, this.#limits.maxBodyBytes <= mostBytes),
    };
    if (Number(request.headers['content-length'] ?? 0) > limitBytes) throw errors.tooLarge(limitBytes);
    const encoding = (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase();
    const hold = this.#hold(until);
    const bytes = await readBytes(request, limitBytes, hold, errors);
    if (encoding === 'identity') return bytes;
    hold(unpackedLimit(bytes.length, limitBytes));
    return unpackBody(bytes, encoding, limitBytes, errors);
  }

  /** Returns what takes room for more bytes of one body; all of it is given back when `until` resolves. */
  #hold(until: Promise<unknown>): (bytes: number) => void {
    let ownBytes = 0;
    let isOver = false;
    const give = (): void => {
      isOver = true;
      this.#heldBytes -= ownBytes;
    };
    until.then(give, give);
    return (bytes) => {
      if (isOver) return;
      // One body always passes, however small the room is.
      const areOthers = this.#heldBytes > ownBytes;
      if (areOthers && this.#heldBytes + bytes > this.#limits.maxHeldBytes)
        throw new RequestError(
          `the requests in flight hold the ${this.#limits.maxHeldBytes} bytes that they may; try again, or raise the server's maxHeldBytes`,
          { code: 'store-unavailable', retryable: true, headers: { 'retry-after': '1' } },
        );
      ownBytes += bytes;
      this.#heldBytes += bytes;
    };
  }
}

/** Reads bytes up to the limit; what is over it, or finds no room, is never kept. */
function readBytes(
  request: IncomingMessage,
  limitBytes: number,
  hold: (bytes: number) => void,
  { tooLarge: refuse }: UnpackErrors,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      try {
        if (size > limitBytes) throw refuse(limitBytes);
        hold(chunk.length);
        chunks.push(chunk);
      } catch (error) {
        request.pause().removeAllListeners('data');
        reject(error as Error);
      }
    });
    request.on('end', () => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)));
    const onEarlyEnd = (cause?: unknown): void =>
      reject(new RequestError('the request ended before its body did', { code: 'request-invalid', cause }));
    request.on('error', onEarlyEnd);
    request.on('close', () => {
      if (!request.complete) onEarlyEnd();
    });
  });
}
