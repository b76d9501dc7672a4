const slabBytes = 65_536;
const mostFreeSlabs = 256;

/** Slabs that were sent. Memory made anew for each reply would bring on a collection every few long ones. */
const free: Buffer[] = [];

/** Bytes to send, in order, and what to call once they are sent: the memory is then used again. */
export interface TakenBytes {
  readonly pieces: readonly Buffer[];
  readonly release: () => void;
}

/** The bytes of server-sent events that are to be sent together. */
export class EventBytes {
  #pieces: Buffer[] = [];
  #slabs: Buffer[] = [];
  /** Of the last slab, what is written. */
  #end = 0;

  /** Adds bytes, which are copied. */
  append(bytes: Buffer): void {
    for (let at = 0; at < bytes.length;) {
      const slab = this.#slabFor(1);
      const copied = bytes.copy(slab, this.#end, at);
      this.#end += copied;
      at += copied;
    }
  }

  addText(text: string): void {
    // A UTF-16 unit is three bytes at most.
    const room = text.length * 3;
    if (room > slabBytes) return this.append(Buffer.from(text));
    // The slab first: a new one begins at another `#end`.
    const slab = this.#slabFor(room);
    this.#end += slab.write(text, this.#end);
    return undefined;
  }

  /** Hands out what was added since it was last called; undefined when that is nothing. */
  take(): TakenBytes | undefined {
    this.#finishSlab();
    const [pieces, slabs] = [this.#pieces, this.#slabs];
    if (pieces.length === 0) return undefined;
    this.#pieces = [];
    this.#slabs = [];
    return { pieces, release: () => giveBack(slabs) };
  }

  /** A slab with room for so many bytes after `#end`. */
  #slabFor(room: number): Buffer {
    const last = this.#slabs.at(-1);
    if (last !== undefined && this.#end + room <= slabBytes) return last;
    this.#finishSlab();
    const slab = free.pop() ?? Buffer.allocUnsafeSlow(slabBytes);
    this.#slabs.push(slab);
    return slab;
  }

  #finishSlab(): void {
    const last = this.#slabs.at(-1);
    if (last !== undefined && this.#end > 0) this.#pieces.push(last.subarray(0, this.#end));
    this.#end = 0;
  }
}

function giveBack(slabs: readonly Buffer[]): void {
  for (const slab of slabs) if (free.length < mostFreeSlabs) free.push(slab);
}
