/** Allocates blocks in the shared memory: all threads advance one common end of the used part, and each keeps the blocks that it freed. */
import { EngineFault } from './engine-fault.ts';
import type { Address } from './kernels.ts';
import type { WasmMemory } from './web-assembly.ts';

/** Allocation starts here: the first page holds the end of the used part and the kernels' constant tables. */
const firstFree = 65_536;
/** Blocks start on cache lines; the end of the used part is counted in these units. */
const unit = 64;

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
    const start = Atomics.add(this.#end, 0, units);
    if ((start + units) * unit > this.#memory.buffer.byteLength) {
      Atomics.sub(this.#end, 0, units);
      throw new EngineFault(
        'backend-failed',
        `The model's memory of ${this.#memory.buffer.byteLength / 2 ** 20} MiB has no ${bytes} bytes left: use shorter rows, fewer samples at once, or a smaller model.`,
      );
    }
    return start * unit;
  }

  /** Frees a block for later calls of this thread for the same size. */
  free(address: Address, bytes: number): void {
    const units = Math.max(1, Math.ceil(bytes / unit));
    const list = this.#free.get(units);
    if (list) list.push(address);
    else this.#free.set(units, [address]);
  }
}
