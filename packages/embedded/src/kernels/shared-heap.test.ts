import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EngineFault } from './engine-fault.ts';
import { SharedHeap } from './shared-heap.ts';
import { webAssembly, type WasmMemory } from './web-assembly.ts';

const pageBytes = 65_536;
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

  it('joins freed blocks when the memory is full', () => {
    const heap = new SharedHeap(memoryOf(3));
    const blocks = Array.from({ length: 4 }, () => heap.allocate(pageBytes / 2));
    expect(() => heap.allocate(pageBytes)).toThrow(/0.1875 MiB/);
    for (const block of blocks.slice(1, 3)) heap.free(block, pageBytes / 2);
    expect(heap.allocate(pageBytes)).toBe(blocks[1]);
    expect(() => heap.allocate(64)).toThrow(/has no 64 bytes left/);
  });

  it('gives a large block at the end back to all threads', () => {
    const memory = memoryOf(600);
    const [first, second] = [new SharedHeap(memory), new SharedHeap(memory)];
    const large = 500 * pageBytes;
    first.free(first.allocate(large), large);
    expect(second.allocate(large)).toBe(pageBytes);
  });
});
