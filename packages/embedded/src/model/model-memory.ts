/** Reserves the memory that the engine's threads share, and says where everything in it is. */
import type { Address } from '../kernels/kernels.ts';
import { SharedHeap } from '../kernels/shared-heap.ts';
import { webAssembly, type WasmMemory } from '../kernels/web-assembly.ts';
import type { LlamaConfig } from './llama-config.ts';
import type { ParameterLayout } from './parameter-layout.ts';

/** Addresses of what all threads share; plain data, so that it can be posted. */
export interface ModelMap {
  /** Frozen weights, each once; 0 where all weights are trained. */
  readonly frozen: Address;
  /** What is trained, in its three arrangements. */
  readonly weights: Address;
  readonly forward: Address;
  readonly backward: Address;
  /** One gradient for each thread that trains, arranged as the weights. */
  readonly gradients: readonly Address[];
  readonly moments1: Address;
  readonly moments2: Address;
  /** Rotary tables (maxPositions, headSize / 2). */
  readonly cosines: Address;
  readonly sines: Address;
}

export interface ModelMemory {
  readonly memory: WasmMemory;
  readonly layout: ParameterLayout;
  readonly heap: SharedHeap;
  readonly map: ModelMap;
}

/** Reserves the shared memory, so many pages with so many gradients, and places the training state in it, all zero but the rotary tables. */
export function createModelMemory(
  config: LlamaConfig,
  layout: ParameterLayout,
  { pages, gradients }: { readonly pages: number; readonly gradients: number },
): ModelMemory {
  const tableFloats = config.maxPositions * (config.headSize / 2);
  const memory = new webAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const heap = new SharedHeap(memory);
  const floats = (count: number): Address => heap.allocate(count * 4);
  const map: ModelMap = {
    frozen: layout.frozen ? heap.allocate(layout.frozen.bytes) : 0,
    weights: floats(layout.plainFloats),
    forward: floats(layout.forwardFloats),
    backward: floats(layout.backwardFloats),
    gradients: Array.from({ length: gradients }, () => floats(layout.plainFloats)),
    moments1: floats(layout.plainFloats),
    moments2: floats(layout.plainFloats),
    cosines: floats(tableFloats),
    sines: floats(tableFloats),
  };
  fillRotaryTables(
    config,
    new Float32Array(memory.buffer, map.cosines, tableFloats),
    new Float32Array(memory.buffer, map.sines, tableFloats),
  );
  return { memory, layout, heap, map };
}

/** Fills the tables of rotary positions: the angle of channel pair j at position p is p · θ^(−2j / headSize). @source arXiv:2104.09864 §3.2.2 */
function fillRotaryTables(config: LlamaConfig, cosines: Float32Array, sines: Float32Array): void {
  const half = config.headSize / 2;
  for (let position = 0; position < config.maxPositions; position++) {
    for (let j = 0; j < half; j++) {
      // In single precision where PyTorch's reference is, so that long positions turn by the same angle.
      const frequency = Math.fround(1 / config.ropeTheta ** ((2 * j) / config.headSize));
      const angle = Math.fround(position * frequency);
      cosines[position * half + j] = Math.cos(angle);
      sines[position * half + j] = Math.sin(angle);
    }
  }
}
