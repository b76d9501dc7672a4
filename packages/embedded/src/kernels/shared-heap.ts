/**
 * Allocates blocks in the shared memory. All threads take from one list of free blocks and give back to it: what one thread no longer
 * needs, another can use, joined with its free neighbours. The list is in the free blocks themselves, ordered by address.
 */
import { EngineFault } from './engine-fault.ts';
import type { Address } from './kernels.ts';
import type { WasmMemory } from './web-assembly.ts';

/** Allocation starts here: the first page holds the lock, the list's head and the kernels' constant tables. */
const firstFree = 65_536;
/** Blocks start on cache lines; places and sizes of free blocks are counted in these units. */
const unit = 64;
/** The words at the start of the memory. */
const lock = 0;
const head = 1;
/** The words of a block that is no longer in the list: memory that nobody has written to is zero. */
const cleared = { units: 0, next: 0 };
/** The list's head when there is no free block; it is 0 in memory that no heap has used yet. */
const none = -1;

/** The allocator, as one thread sees it. */
export class SharedHeap {
  readonly #words: Int32Array;

  constructor(memory: WasmMemory) {
    this.#words = new Int32Array(memory.buffer);
    this.#locked(() => {
      if (this.#words[head] !== 0) return;
      this.#words[head] = firstFree / unit;
      this.#write(firstFree / unit, { units: Math.floor((memory.buffer.byteLength - firstFree) / unit), next: none });
    });
  }

  /** Returns a block of at least `bytes`, on a cache line: zero, or with what it held before. @throws EngineFault when the memory has none */
  allocate(bytes: number): Address {
    const address = this.tryAllocate(bytes);
    if (address !== undefined) return address;
    throw new EngineFault(
      'backend-failed',
      `The model's memory of ${this.#words.byteLength / 2 ** 20} MiB has no ${bytes} bytes left: use shorter samples, fewer samples at once, or a smaller model.`,
    );
  }

  /** Does the same, but returns undefined when the memory has no such block. */
  tryAllocate(bytes: number): Address | undefined {
    const place = this.#locked(() => this.#take(unitsOf(bytes)));
    return place === undefined ? undefined : place * unit;
  }

  /** Frees a block that was allocated with so many bytes, to any thread. */
  free(address: Address, bytes: number): void {
    this.#locked(() => this.#giveBack(address / unit, unitsOf(bytes)));
  }

  /** Cuts the units from the smallest free block that has them. */
  #take(units: number): number | undefined {
    let smallest: { before: number; place: number; units: number; next: number } | undefined;
    for (let before = none, place = this.#words[head]!; place !== none;) {
      const block = this.#read(place);
      if (block.units >= units && (smallest === undefined || block.units < smallest.units))
        smallest = { before, place, ...block };
      before = place;
      place = block.next;
    }
    if (smallest === undefined) return undefined;
    const { before, place, next } = smallest;
    const rest = smallest.units - units;
    this.#write(place, cleared);
    if (rest > 0) this.#write(place + units, { units: rest, next });
    this.#link(before, rest > 0 ? place + units : next);
    return place;
  }

  /** Puts a block into the list, as one with the free blocks beside it. */
  #giveBack(place: number, units: number): void {
    let before = none;
    let next = this.#words[head]!;
    while (next !== none && next < place) {
      before = next;
      next = this.#read(next).next;
    }
    let joined = { units, next };
    if (place + units === next) {
      const after = this.#read(next);
      joined = { units: units + after.units, next: after.next };
      this.#write(next, cleared);
    }
    const earlier = before === none ? undefined : this.#read(before);
    if (earlier !== undefined && before + earlier.units === place) {
      this.#write(before, { units: earlier.units + joined.units, next: joined.next });
      return;
    }
    this.#write(place, joined);
    this.#link(before, place);
  }

  #link(before: number, place: number): void {
    if (before === none) this.#words[head] = place;
    else this.#write(before, { units: this.#read(before).units, next: place });
  }

  #read(place: number): { units: number; next: number } {
    const at = (place * unit) / 4;
    return { units: this.#words[at]!, next: this.#words[at + 1]! };
  }

  #write(place: number, { units, next }: { readonly units: number; readonly next: number }): void {
    const at = (place * unit) / 4;
    this.#words[at] = units;
    this.#words[at + 1] = next;
  }

  /** Runs `work` while no other thread changes the list. */
  #locked<Result>(work: () => Result): Result {
    while (Atomics.compareExchange(this.#words, lock, 0, 1) !== 0) Atomics.wait(this.#words, lock, 1);
    try {
      return work();
    } finally {
      Atomics.store(this.#words, lock, 0);
      Atomics.notify(this.#words, lock, 1);
    }
  }
}

function unitsOf(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / unit));
}
