const slabBytes = 65_536;
const mostFreeSlabs = 64;

/** Slabs that were sent. Memory made anew for each reply would bring on a collection every few long ones. */
const free: Buffer[] = [];

/** Bytes to send, and what to call once they are sent: the memory is then used again. */
export interface SentBytes {
  readonly bytes: Buffer;
  readonly release: () => void;
}

/** The bytes of server-sent events that are to be sent together. */
export class EventBytes {
  #slab: Buffer | undefined;
  #end = 0;

  /** Adds bytes, which are copied. */
  append(bytes: Buffer): void {
    this.#reserve(bytes.length).set(bytes, this.#end);
    this.#end += bytes.length;
  }

  addText(text: string): void {
    // A UTF-16 unit is three bytes at most.
    this.#end += this.#reserve(text.length * 3).write(text, this.#end);
  }

  /** Hands out what was added since it was last called; undefined when that is nothing. */
  take(): SentBytes | undefined {
    const slab = this.#slab;
    if (slab === undefined) return undefined;
    const bytes = slab.subarray(0, this.#end);
    this.#slab = undefined;
    this.#end = 0;
    return { bytes, release: () => giveBack(slab) };
  }

  #reserve(count: number): Buffer {
    const length = this.#end + count;
    this.#slab ??= free.pop() ?? Buffer.allocUnsafeSlow(slabBytes);
    if (length > this.#slab.length) {
      const grown = Buffer.allocUnsafeSlow(2 * length);
      this.#slab.copy(grown, 0, 0, this.#end);
      giveBack(this.#slab);
      this.#slab = grown;
    }
    return this.#slab;
  }
}

function giveBack(slab: Buffer): void {
  if (slab.length === slabBytes && free.length < mostFreeSlabs) free.push(slab);
}
