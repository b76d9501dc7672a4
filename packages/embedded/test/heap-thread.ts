/** Runs as a thread of the shared heap's test: fills blocks with its mark, and counts those in which another mark turns up. */
import { parentPort, workerData } from 'node:worker_threads';
import { SharedHeap } from '../src/kernels/shared-heap.ts';
import type { WasmMemory } from '../src/kernels/web-assembly.ts';

const { memory, mark, rounds } = workerData as { memory: WasmMemory; mark: number; rounds: number };
const heap = new SharedHeap(memory);
const bytes = new Uint8Array(memory.buffer);
const held: { address: number; size: number }[] = [];
let overlaps = 0;

function freeOldest(): void {
  const { address, size } = held.shift()!;
  if (!bytes.subarray(address, address + size).every((byte) => byte === mark)) overlaps++;
  heap.free(address, size);
}

for (let round = 0; round < rounds; round++) {
  const size = 1 + ((round * 7_919 + mark * 104_729) % 3_000);
  const address = heap.allocate(size);
  bytes.fill(mark, address, address + size);
  held.push({ address, size });
  if (held.length > 20) freeOldest();
}
while (held.length > 0) freeOldest();
parentPort!.postMessage(overlaps);
