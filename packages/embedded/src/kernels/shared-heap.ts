/** Allocation in the one shared memory: every thread bumps the same break and keeps its own freed blocks. */
import { EngineFault } from './engine-fault.ts';
import type { Address } from './kernels.ts';
import type { WasmMemory } from './web-assembly.ts';

/** The first page holds the break and the kernels' constant tables. */
const firstFree = 65_536;
/** Blocks start on cache lines; the break counts these units. */
const unit = 64;

export class SharedHeap {
  readonly #memory: WasmMemory;
  readonly #break: Int32Array;
  readonly #free = new Map<number, Address[]>();

  constructor(memory: WasmMemory) {
    this.#memory = memory;
    this.#break = new Int32Array(memory.buffer, 0, 1);
    Atomics.compareExchange(this.#break, 0, 0, firstFree / unit);
  }

  /** A block of at least `bytes`, on a cache line, with old contents. @throws EngineFault when the memory is full */
  allocate(bytes: number): Address {
    const units = Math.max(1, Math.ceil(bytes / unit));
    const reused = this.#free.get(units)?.pop();
    if (reused !== undefined) return reused;
    const start = Atomics.add(this.#break, 0, units);
    if ((start + units) * unit > this.#memory.buffer.byteLength) {
      Atomics.sub(this.#break, 0, units);
      throw new EngineFault(
        'backend-failed',
        `The model's memory of ${this.#memory.buffer.byteLength / 2 ** 20} MiB has no ${bytes} bytes left: use shorter rows, fewer samples at once, or a smaller model.`,
      );
    }
    return start * unit;
  }

  /** Gives a block back to later calls of this thread for the same size. */
  free(address: Address, bytes: number): void {
    const units = Math.max(1, Math.ceil(bytes / unit));
    const list = this.#free.get(units);
    if (list) list.push(address);
    else this.#free.set(units, [address]);
  }
}
