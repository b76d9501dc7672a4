const bufferBytes = 65_536;
const mostFreeBuffers = 256;

/** Buffers that were sent and can be used again. New memory for each reply would cause a garbage collection every few long replies. */
const free: Buffer[] = [];

/** Bytes to send, in order, and what to call once they are sent: the memory is then used again. */
export interface TakenBytes {
  readonly pieces: readonly Buffer[];
  readonly release: () => void;
}

/** The bytes of server-sent events that are to be sent together. */
export class EventBytes {
  #pieces: Buffer[] = [];
  #buffers: Buffer[] = [];
  /** The position in the last buffer up to which it is written. */
  #end = 0;

  /** Adds bytes, which are copied. */
  append(bytes: Buffer): void {
    for (let at = 0; at < bytes.length;) {
      const buffer = this.#bufferFor(1);
      const copied = bytes.copy(buffer, this.#end, at);
      this.#end += copied;
      at += copied;
    }
  }

  addText(text: string): void {
    // A UTF-16 unit is three bytes at most.
    const room = text.length * 3;
    if (room > bufferBytes) return this.append(Buffer.from(text));
    // The buffer first: a new one begins at another `#end`.
    const buffer = this.#bufferFor(room);
    this.#end += buffer.write(text, this.#end);
    return undefined;
  }

  /** Hands out what was added since it was last called; undefined when that is nothing. */
  take(): TakenBytes | undefined {
    this.#finishBuffer();
    const [pieces, buffers] = [this.#pieces, this.#buffers];
    if (pieces.length === 0) return undefined;
    this.#pieces = [];
    this.#buffers = [];
    return { pieces, release: () => giveBack(buffers) };
  }

  /** Returns a buffer with room for so many bytes after `#end`. */
  #bufferFor(room: number): Buffer {
    const last = this.#buffers.at(-1);
    if (last !== undefined && this.#end + room <= bufferBytes) return last;
    this.#finishBuffer();
    const buffer = free.pop() ?? Buffer.allocUnsafeSlow(bufferBytes);
    this.#buffers.push(buffer);
    return buffer;
  }

  #finishBuffer(): void {
    const last = this.#buffers.at(-1);
    if (last !== undefined && this.#end > 0) this.#pieces.push(last.subarray(0, this.#end));
    this.#end = 0;
  }
}

function giveBack(buffers: readonly Buffer[]): void {
  for (const buffer of buffers) if (free.length < mostFreeBuffers) free.push(buffer);
}
