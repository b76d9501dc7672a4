import type { IncomingMessage } from 'node:http';
import { RequestError } from './request-error.ts';
import { tooLarge, unpackBody, unpackedLimit } from './unpack-body.ts';

export interface BodyLimits {
  /** The most bytes of one body, after decompression. */
  readonly maxBodyBytes: number;
  /** The most bytes that the bodies of all requests in flight may hold. */
  readonly maxHeldBytes: number;
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
   * Reads and unpacks a body. Its room is held until `until` resolves.
   * @param mostBytes a smaller limit than the server's
   * @throws {RequestError} `request-too-large` · `store-unavailable`, retryable, when there is no room now · `request-invalid`
   */
  async read(request: IncomingMessage, until: Promise<unknown>, mostBytes: number = Infinity): Promise<Buffer> {
    const limitBytes = Math.min(mostBytes, this.#limits.maxBodyBytes);
    const announced = request.headers['content-length'];
    const length = announced === undefined ? limitBytes : Number(announced);
    if (length > limitBytes) throw tooLarge(limitBytes);
    const encoding = (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase();
    const room = encoding === 'identity' ? length : length + unpackedLimit(length, limitBytes);
    this.#take(room, until);
    const bytes = await readBytes(request, limitBytes);
    return encoding === 'identity' ? bytes : unpackBody(bytes, encoding, limitBytes);
  }

  #take(bytes: number, until: Promise<unknown>): void {
    // One body always passes, however small the room is.
    if (this.#heldBytes > 0 && this.#heldBytes + bytes > this.#limits.maxHeldBytes)
      throw new RequestError(
        `the requests in flight hold the ${this.#limits.maxHeldBytes} bytes that they may; try again, or raise the server's maxHeldBytes`,
        { code: 'store-unavailable', retryable: true, headers: { 'retry-after': '1' } },
      );
    this.#heldBytes += bytes;
    const give = (): void => void (this.#heldBytes -= bytes);
    until.then(give, give);
  }
}

/** Reads bytes up to the limit; what is over it is never kept. */
function readBytes(request: IncomingMessage, limitBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= limitBytes) return void chunks.push(chunk);
      request.pause().removeAllListeners('data');
      return reject(tooLarge(limitBytes));
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
