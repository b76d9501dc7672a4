/** Reserves the working memory of a training pass: every activation that the backward pass needs, and the intermediate gradients. */
import type { Address } from '../kernels/kernels.ts';
import type { SharedHeap } from '../kernels/shared-heap.ts';
import type { LayerActivations, Model } from '../model/layer-forward.ts';
import { roundUp } from '../model/parameter-layout.ts';
import type { Chunk } from './token-tree.ts';

/** Queries that attention handles at once; its working memory is this many rows of scores. */
export const queryBlock = 48;

/** The size of a space: M tokens, S predictions, and paths of up to T keys. */
interface Capacity {
  readonly tokens: number;
  readonly predictions: number;
  readonly keys: number;
}

export interface TrainingSpace {
  readonly capacity: Capacity;
  readonly address: Address;
  /** The same as in the chunk. */
  readonly ids: Int32Array;
  readonly positions: Int32Array;
  readonly predicting: Int32Array;
  readonly predictors: Int32Array;
  readonly targets: Int32Array;
  readonly layers: readonly LayerActivations[];
  /** Log-sum-exps of the attention rows, (layers, heads, M). */
  readonly attentionLogSums: Address;
  /** The last layer's output, (U, hidden). */
  readonly output: Address;
  /** The output that makes each prediction and its norm, (S, hidden), with the reciprocal roots (S,). */
  readonly last: Address;
  readonly lastNorm: Address;
  readonly lastInverse: Address;
  /** (S, vocabulary). */
  readonly logits: Address;
  readonly logSums: Address;
  readonly logprobs: Float32Array;
  readonly entropies: Float32Array;
  readonly slopes: Float32Array;
  readonly dLast: Address;
  readonly dLastNorm: Address;
  /** Gradient of a layer's output, then of its middle; with `dInput` for the layer that takes fewer rows on than it gets. */
  readonly dHidden: Address;
  readonly dInput: Address;
  readonly dNorm: Address;
  readonly dMlp: Address;
  readonly dAttended: Address;
  readonly dQueryKeyValue: Address;
  /** Keys and values of one head along one path, (T, headSize), as panels too, and their gradients. */
  readonly keys: Address;
  readonly values: Address;
  readonly keyPanels: Address;
  readonly valuePanels: Address;
  readonly dKeys: Address;
  readonly dValues: Address;
  /** (queryBlock, T). */
  readonly scores: Address;
  readonly dScores: Address;
}

/** Returns a space that holds the chunk: the old one, or a larger one in its place. Sizes grow in coarse steps. */
export function reserveSpace(
  model: Model,
  heap: SharedHeap,
  chunk: Chunk,
  old: TrainingSpace | undefined,
): TrainingSpace {
  const keys = Math.max(...chunk.segments.map(({ position, length }) => position + length));
  const capacity = {
    tokens: roundUp(Math.max(chunk.ids.length, old?.capacity.tokens ?? 0), 128),
    predictions: roundUp(Math.max(chunk.targets.length, old?.capacity.predictions ?? 0), 64),
    keys: roundUp(Math.max(keys, old?.capacity.keys ?? 0), 64),
  };
  if (old) {
    const isEnough = (['tokens', 'predictions', 'keys'] as const).every(
      (size) => capacity[size] === old.capacity[size],
    );
    if (isEnough) return old;
    heap.free(old.address, arrange(model, 0, old.capacity).end);
  }
  return arrange(model, heap.allocate(arrange(model, 0, capacity).end), capacity).space;
}

/** Places all buffers one after the other from `address`. With address 0 it only measures where they end. */
function arrange(model: Model, address: Address, capacity: Capacity): { space: TrainingSpace; end: Address } {
  const { config, widths, memory } = model;
  const { tokens, predictions, keys } = capacity;
  let next = address;
  const floats = (count: number): Address => {
    const at = next;
    next += roundUp(count * 4, 64);
    return at;
  };
  const integers = (count: number): Int32Array => new Int32Array(memory.buffer, floats(count), count);
  const view = (count: number): Float32Array => new Float32Array(memory.buffer, floats(count), count);
  const layer = (): LayerActivations => ({
    input: floats(tokens * widths.hidden),
    norm1: floats(tokens * widths.hidden),
    inverse1: floats(tokens),
    queryKeyValue: floats(tokens * widths.queryKeyValue),
    attended: floats(tokens * widths.attended),
    middle: floats(tokens * widths.hidden),
    norm2: floats(tokens * widths.hidden),
    inverse2: floats(tokens),
    gateUp: floats(tokens * widths.gateUp),
    mlp: floats(tokens * widths.mlp),
  });
  const space: TrainingSpace = {
    capacity,
    address,
    ids: integers(tokens),
    positions: integers(tokens),
    predicting: integers(tokens),
    predictors: integers(predictions),
    targets: integers(predictions),
    layers: Array.from({ length: config.layers }, layer),
    attentionLogSums: floats(config.layers * config.heads * tokens),
    output: floats(tokens * widths.hidden),
    last: floats(predictions * widths.hidden),
    lastNorm: floats(predictions * widths.hidden),
    lastInverse: floats(predictions),
    logits: floats(predictions * widths.logits),
    logSums: floats(predictions),
    logprobs: view(predictions),
    entropies: view(predictions),
    slopes: view(predictions),
    dLast: floats(predictions * widths.hidden),
    dLastNorm: floats(predictions * widths.hidden),
    dHidden: floats(tokens * widths.hidden),
    dInput: floats(tokens * widths.hidden),
    dNorm: floats(tokens * widths.hidden),
    dMlp: floats(tokens * widths.mlp),
    dAttended: floats(tokens * widths.attended),
    dQueryKeyValue: floats(tokens * widths.queryKeyValue),
    keys: floats(keys * config.headSize),
    values: floats(keys * config.headSize),
    keyPanels: floats(keys * config.headSize),
    valuePanels: floats(keys * config.headSize),
    dKeys: floats(keys * config.headSize),
    dValues: floats(keys * config.headSize),
    scores: floats(queryBlock * keys),
    dScores: floats(queryBlock * keys),
  };
  return { space, end: next };
}
