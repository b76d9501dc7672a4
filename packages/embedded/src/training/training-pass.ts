/**
 * Runs the forward and the backward pass over a chunk: M tokens, of which U predict trained ones, S times in all. Only those U go through the
 * last layer's MLP, and only the S predictions through the head.
 */
import { EngineFault } from '../kernels/engine-fault.ts';
import type { Address } from '../kernels/kernels.ts';
import type { SharedHeap } from '../kernels/shared-heap.ts';
import { embedTokens } from '../model/embedding.ts';
import { layerForward, type Model } from '../model/layer-forward.ts';
import { LayerBackward } from './layer-backward.ts';
import type { Chunk } from './token-tree.ts';
import { attentionForward, planAll, planPredicting, type QueryPlan } from './training-attention.ts';
import { scorePredictions, type Learning } from './training-head.ts';
import { capacityFor, openSpace, spaceBytes, type Capacity, type TrainingSpace } from './training-space.ts';

/** The head's results for the S predictions, each (S,), in nats. */
export interface ChunkScores {
  readonly logprobs: Float32Array;
  readonly entropies: Float32Array;
}

/** A chunk that is being computed, with its activations and plans. */
export interface PassState {
  readonly chunk: Chunk;
  readonly space: TrainingSpace;
  readonly all: QueryPlan;
  readonly predicting: QueryPlan;
}

const sizes = ['tokens', 'predictions', 'keys'] as const;
const noCapacity: Capacity = { tokens: 0, predictions: 0, keys: 0 };

/** The passes of one thread. */
export class TrainingPass {
  readonly #model: Model;
  readonly #heap: SharedHeap;
  readonly #layerBackward: LayerBackward;
  /** Frees what is kept only for speed, and tells whether there was any. */
  readonly #makeRoom: () => boolean;
  #space: TrainingSpace | undefined;

  constructor(model: Model, heap: SharedHeap, makeRoom: () => boolean) {
    this.#model = model;
    this.#heap = heap;
    this.#makeRoom = makeRoom;
    this.#layerBackward = new LayerBackward(model);
  }

  /**
   * Computes log-probabilities and entropies of the chunk with the weights at `forward`; when it learns, with the training weights, it adds
   * the gradient of the loss. It keeps all activations where they fit into `budget` bytes, else it computes layers again. The views are
   * valid until the next call.
   * @throws EngineFault when the chunk does not fit into the memory
   */
  run(chunk: Chunk, forward: Address, budget: number, learning: Learning | undefined): ChunkScores {
    const space = this.#reserve(chunk, budget);
    const state: PassState = { chunk, space, all: planAll(chunk), predicting: planPredicting(chunk) };
    for (const name of ['ids', 'positions', 'predicting', 'predictors', 'targets'] as const)
      space.views[name].set(chunk[name]);
    const predictions = chunk.targets.length;
    embedTokens(this.#model, forward, chunk.ids.length, space.ids, space.layers[0]!.input);
    const { layers } = this.#model.config;
    for (let layer = 0; layer < layers; layer++)
      runLayer(
        this.#model,
        state,
        layer,
        forward,
        layer === layers - 1 ? space.output : space.layers[layer + 1]!.input,
      );
    scorePredictions(this.#model, space, chunk, forward, learning);
    if (learning) this.#learn(state, learning.gradients);
    const { logprobs, entropies } = space.views;
    return { logprobs: logprobs.subarray(0, predictions), entropies: entropies.subarray(0, predictions) };
  }

  /** Frees the working memory for other uses until the next chunk. */
  release(): void {
    if (this.#space) this.#heap.free(this.#space.address, this.#space.bytes);
    this.#space = undefined;
  }

  /** Goes back from the head's gradient, `space.dLastNorm`, to the embeddings. */
  #learn(state: PassState, gradients: Address): void {
    const { kernels, config, layout, widths } = this.#model;
    const { chunk, space } = state;
    const predictions = chunk.targets.length;
    const { hidden } = widths;
    kernels.clearFloats(predictions * hidden, space.dLast);
    this.#layerBackward.normalize(
      space,
      layout.finalNorm,
      predictions,
      space.last,
      space.lastInverse,
      space.dLastNorm,
      space.dLast,
      gradients,
    );
    kernels.clearFloats(chunk.predicting.length * hidden, space.dHidden);
    const { hiddenSize } = config;
    kernels.scatterAddRows(predictions, hiddenSize, space.predictors, space.dLast, hidden, space.dHidden, hidden);

    let dOutput = space.dHidden;
    for (let layer = config.layers - 1; layer >= 0; layer--) {
      // The last layer's activations are still there.
      if (space.isRecomputed && layer < config.layers - 1)
        runLayer(this.#model, state, layer, this.#model.map.forward, undefined);
      dOutput = this.#layerBackward.run(state, layer, dOutput, gradients);
    }
    const { embedding } = layout;
    if (embedding.kind === 'frozen-matrix') return;
    const table = gradients + embedding.offset * 4;
    kernels.scatterAddRows(chunk.ids.length, hiddenSize, space.ids, dOutput, hidden, table, embedding.columns);
  }

  /** Returns a space that holds the chunk, as large as the one before at least; one that computes layers again where memory is short. */
  #reserve(chunk: Chunk, budget: number): TrainingSpace {
    const before = this.#space;
    const capacity = capacityFor(chunk, before?.capacity ?? noCapacity);
    if (before !== undefined && sizes.every((size) => capacity[size] === before.capacity[size])) return before;
    this.release();
    const keepsAll = spaceBytes(this.#model, capacity, false) <= budget;
    this.#space = (keepsAll ? this.#open(capacity, false) : undefined) ?? this.#open(capacity, true);
    if (this.#space === undefined) throw describeShortage(this.#model, chunk, capacity);
    return this.#space;
  }

  /** Opens a space; undefined where the memory has no room for it, even without what is kept only for speed. */
  #open(capacity: Capacity, isRecomputed: boolean): TrainingSpace | undefined {
    const bytes = spaceBytes(this.#model, capacity, isRecomputed);
    const address = this.#heap.tryAllocate(bytes) ?? (this.#makeRoom() ? this.#heap.tryAllocate(bytes) : undefined);
    return address === undefined ? undefined : openSpace(this.#model, address, capacity, isRecomputed);
  }
}

function describeShortage(model: Model, chunk: Chunk, capacity: Capacity): EngineFault {
  const needed = Math.ceil(spaceBytes(model, capacity, true) / 2 ** 20);
  const whole = model.memory.buffer.byteLength / 2 ** 20;
  return new EngineFault(
    'backend-failed',
    `Training on ${chunk.ids.length} tokens at once needs ${needed} MiB of working memory on each thread. ` +
      `The model's memory of ${whole} MiB has no such room left: use shorter samples, fewer samples at once, or a smaller model.`,
  );
}

/** Runs one layer of the chunk; without `output` only its activations, for the backward pass. */
function runLayer(model: Model, state: PassState, layer: number, forward: Address, output: Address | undefined): void {
  const { chunk, space } = state;
  const act = space.layers[layer]!;
  const isLast = layer === model.config.layers - 1;
  const tokens = chunk.ids.length;
  layerForward(
    model,
    forward,
    model.layout.layers[layer]!,
    tokens,
    space.positions,
    isLast ? { rows: chunk.predicting.length, gather: space.predicting } : { rows: tokens },
    act,
    () => attentionForward(model, isLast ? state.predicting : state.all, act, space, layer),
    output,
  );
}
