import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EngineFault } from './engine-fault.ts';
import { SharedHeap } from './shared-heap.ts';
import { webAssembly, type WasmMemory } from './web-assembly.ts';

const pageBytes = 65_536;

/** Allocates, marks and frees blocks in a thread of its own; resolves with the number of blocks in which it found another mark. */
async function runThread(workerData: { memory: WasmMemory; mark: number; rounds: number }): Promise<number> {
  const worker = new Worker(new URL('../../test/heap-thread.ts', import.meta.url), { workerData });
  const [overlaps] = (await once(worker, 'message')) as [number];
  return overlaps;
}

const memoryOf = (pages: number): WasmMemory =>
  new webAssembly.Memory({ initial: pages, maximum: pages, shared: true });

describe('SharedHeap', () => {
  it('never gives two holders the same bytes, whatever is taken and freed by two threads', () => {
    const steps = fc.array(
      fc.record({ thread: fc.nat(1), bytes: fc.integer({ min: 1, max: 40_000 }), frees: fc.nat(3) }),
      {
        maxLength: 60,
      },
    );
    fc.assert(
      fc.property(steps, (taken) => {
        const memory = memoryOf(6);
        const heaps = [new SharedHeap(memory), new SharedHeap(memory)];
        const held: { thread: number; address: number; bytes: number }[] = [];
        for (const { thread, bytes, frees } of taken) {
          for (let i = 0; i < frees && held.length > 0; i++) {
            const block = held.splice(held.length >> 1, 1)[0]!;
            heaps[block.thread]!.free(block.address, block.bytes);
          }
          let address: number;
          try {
            address = heaps[thread]!.allocate(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(EngineFault);
            continue;
          }
          expect(address % 64).toBe(0);
          expect(address).toBeGreaterThanOrEqual(pageBytes);
          expect(address + bytes).toBeLessThanOrEqual(6 * pageBytes);
          for (const other of held)
            expect(address + bytes <= other.address || other.address + other.bytes <= address).toBe(true);
          held.push({ thread, address, bytes });
        }
      }),
    );
  });

  it('joins what was freed with the free blocks beside it, in any order', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6, 7], { minLength: 8 }), (order) => {
        const memory = memoryOf(3);
        const heaps = [new SharedHeap(memory), new SharedHeap(memory)];
        const blocks = order.map((_, index) => heaps[index % 2]!.allocate(pageBytes / 4));
        expect(() => heaps[0]!.allocate(1)).toThrow(/0.1875 MiB has no 1 bytes left/);
        for (const index of order) heaps[1]!.free(blocks[index]!, pageBytes / 4);
        expect(heaps[0]!.allocate(2 * pageBytes)).toBe(pageBytes);
      }),
    );
  });

  it('gives memory that nobody has written to as zeros', () => {
    const memory = memoryOf(3);
    const heap = new SharedHeap(memory);
    const [first, second] = [heap.allocate(192), heap.allocate(64)];
    heap.free(second, 64);
    heap.free(first, 192);
    const address = heap.allocate(2 * pageBytes);
    expect(new Uint8Array(memory.buffer, address, 2 * pageBytes).every((byte) => byte === 0)).toBe(true);
  });

  it('takes the smallest block that is large enough, from whichever thread freed it', () => {
    const memory = memoryOf(4);
    const [first, second] = [new SharedHeap(memory), new SharedHeap(memory)];
    const [large, , small] = [first.allocate(640), first.allocate(64), first.allocate(128), first.allocate(64)];
    first.free(large!, 640);
    first.free(small!, 128);
    expect(second.allocate(100)).toBe(small);
    expect(second.allocate(320)).toBe(large);
    expect(second.allocate(320)).toBe(large! + 320);
  });

  it('keeps threads that allocate at the same time apart', async () => {
    const memory = memoryOf(64);
    const overlaps = await Promise.all([1, 2, 3].map((mark) => runThread({ memory, mark, rounds: 4_000 })));
    expect(overlaps).toEqual([0, 0, 0]);
    expect(new SharedHeap(memory).allocate(63 * pageBytes)).toBe(pageBytes);
  });
});
