/** Keeps the keys and values of one sequence, for all layers, in one block of the shared memory. */
import type { Address } from '../kernels/kernels.ts';
import type { SharedHeap } from '../kernels/shared-heap.ts';
import type { Model } from '../model/layer-forward.ts';
import type { LlamaConfig } from '../model/llama-config.ts';
import { roundUp } from '../model/weights.ts';

/** Capacities are multiples of this many tokens, so that freed blocks fit later sequences. */
const capacityStep = 32;

/** Returns the bytes of the cache of one sequence of `tokens` tokens. */
export function cacheBytes({ layers, keyValueHeads, headSize }: LlamaConfig, tokens: number): number {
  return layers * 2 * keyValueHeads * roundUp(tokens, capacityStep) * headSize * 4;
}

/** The cache of one sequence. */
export class KeyValueCache {
  readonly capacity: number;
  readonly bytes: number;
  readonly #model: Model;
  readonly #heap: SharedHeap;
  readonly #address: Address;

  /** Reserves room for `tokens` tokens. @throws EngineFault when the memory is full */
  constructor(model: Model, heap: SharedHeap, tokens: number) {
    this.capacity = roundUp(tokens, capacityStep);
    this.bytes = cacheBytes(model.config, tokens);
    this.#model = model;
    this.#heap = heap;
    this.#address = heap.allocate(this.bytes);
  }

  /** Returns the key panels of a layer, (heads, capacity / 8, headSize, 8). */
  keys(layer: number): Address {
    return this.#address + (this.bytes / this.#model.config.layers) * layer;
  }

  /** Returns the values of a layer, (heads, capacity, headSize). */
  values(layer: number): Address {
    return this.keys(layer) + this.bytes / this.#model.config.layers / 2;
  }

  /** Copies the first `tokens` tokens of another sequence. */
  copyFrom(other: KeyValueCache, tokens: number): void {
    const { kernels, config } = this.#model;
    const floats = roundUp(tokens, 8) * config.headSize; // panels hold 8 tokens
    for (let layer = 0; layer < config.layers; layer++) {
      for (let head = 0; head < config.keyValueHeads; head++) {
        const from = head * other.capacity * config.headSize * 4;
        const to = head * this.capacity * config.headSize * 4;
        kernels.copyFloats(floats, other.keys(layer) + from, this.keys(layer) + to);
        kernels.copyFloats(floats, other.values(layer) + from, this.values(layer) + to);
      }
    }
  }

  free(): void {
    this.#heap.free(this.#address, this.bytes);
  }
}
