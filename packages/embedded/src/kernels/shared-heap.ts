/**
 * Allocates blocks in the shared memory: all threads advance one common end of the used part, and each keeps the blocks that it freed, by
 * size. When the end is reached, a thread joins its freed blocks and cuts what it needs from one of them.
 */
import { EngineFault } from './engine-fault.ts';
import type { Address } from './kernels.ts';
import type { WasmMemory } from './web-assembly.ts';

/** Allocation starts here: the first page holds the end of the used part and the kernels' constant tables. */
const firstFree = 65_536;
/** Blocks start on cache lines; the end of the used part is counted in these units. */
const unit = 64;
/** Blocks of this many units, 16 MiB, are given back to all threads where that is possible. */
const returned = 2 ** 18;

/** The allocator of one thread. */
export class SharedHeap {
  readonly #memory: WasmMemory;
  readonly #end: Int32Array;
  readonly #free = new Map<number, Address[]>();

  constructor(memory: WasmMemory) {
    this.#memory = memory;
    this.#end = new Int32Array(memory.buffer, 0, 1);
    Atomics.compareExchange(this.#end, 0, 0, firstFree / unit);
  }

  /** Returns a block of at least `bytes`, on a cache line, with old contents. @throws EngineFault when the memory is full */
  allocate(bytes: number): Address {
    const units = Math.max(1, Math.ceil(bytes / unit));
    const reused = this.#free.get(units)?.pop();
    if (reused !== undefined) return reused;
    const taken = this.#advanceEnd(units) ?? this.#cutFromFreed(units);
    if (taken !== undefined) return taken;
    throw new EngineFault(
      'backend-failed',
      `The model's memory of ${this.#memory.buffer.byteLength / 2 ** 20} MiB has no ${bytes} bytes left: use shorter samples, fewer samples at once, or a smaller model.`,
    );
  }

  /** Frees a block for later calls of this thread, or of all threads when it is a large one at the end of the used part. */
  free(address: Address, bytes: number): void {
    const units = Math.max(1, Math.ceil(bytes / unit));
    if (units >= returned && this.#drawBackEnd(address, units)) return;
    const list = this.#free.get(units);
    if (list) list.push(address);
    else this.#free.set(units, [address]);
  }

  #advanceEnd(units: number): Address | undefined {
    const most = Math.floor(this.#memory.buffer.byteLength / unit);
    for (;;) {
      const end = Atomics.load(this.#end, 0);
      if (end + units > most) return undefined;
      if (Atomics.compareExchange(this.#end, 0, end, end + units) === end) return end * unit;
    }
  }

  /** Makes the block unused where it is the last of the used part. */
  #drawBackEnd(address: Address, units: number): boolean {
    const start = address / unit;
    return Atomics.compareExchange(this.#end, 0, start + units, start) === start + units;
  }

  /** Joins neighbouring freed blocks, and takes the units from the smallest that has them; undefined where none has. */
  #cutFromFreed(units: number): Address | undefined {
    const joined = this.#joinFreed();
    const fitting = joined.filter((block) => block.units >= units);
    if (fitting.length === 0) return undefined;
    const chosen = fitting.reduce((smallest, block) => (block.units < smallest.units ? block : smallest));
    this.#free.clear();
    for (const block of joined) if (block !== chosen) this.free(block.address, block.units * unit);
    const rest = chosen.units - units;
    if (rest > 0) this.free(chosen.address + units * unit, rest * unit);
    return chosen.address;
  }

  #joinFreed(): { address: Address; units: number }[] {
    const blocks = [...this.#free]
      .flatMap(([units, addresses]) => addresses.map((address) => ({ address, units })))
      .sort((a, b) => a.address - b.address);
    const joined: { address: Address; units: number }[] = [];
    for (const block of blocks) {
      const last = joined.at(-1);
      if (last && last.address + last.units * unit === block.address) last.units += block.units;
      else joined.push(block);
    }
    return joined;
  }
}
