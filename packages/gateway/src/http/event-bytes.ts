const firstSlabBytes = 4_096;
const slabBytes = 65_536;

/** The bytes of server-sent events that are to be sent together. */
export class EventBytes {
  #slab = Buffer.alloc(0);
  /** What is before was taken. */
  #start = 0;
  #end = 0;

  /** Adds bytes, which are copied. */
  append(bytes: Buffer): void {
    this.#reserve(bytes.length);
    this.#slab.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  addText(text: string): void {
    // A UTF-16 unit is three bytes at most.
    this.#reserve(text.length * 3);
    this.#end += this.#slab.write(text, this.#end);
  }

  /** Hands out what was added since it was last called; the bytes are the taker's. */
  take(): Buffer {
    const taken = this.#slab.subarray(this.#start, this.#end);
    this.#start = this.#end;
    return taken;
  }

  #reserve(count: number): void {
    const kept = this.#end - this.#start;
    if (this.#end + count <= this.#slab.length) return;
    const size = Math.max(2 * (kept + count), Math.min(slabBytes, 2 * this.#slab.length), firstSlabBytes);
    const grown = Buffer.allocUnsafe(size);
    this.#slab.copy(grown, 0, this.#start, this.#end);
    this.#slab = grown;
    this.#start = 0;
    this.#end = kept;
  }
}
