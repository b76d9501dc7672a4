/**
 * Arranges the working memory of a training pass: the activations that the backward pass needs, and the intermediate gradients. Where
 * memory is short, only each layer's input is kept, and the backward pass computes the rest of a layer again.
 */
import type { Address } from '../kernels/kernels.ts';
import type { WasmMemory } from '../kernels/web-assembly.ts';
import type { LayerActivations, Widths } from '../model/layer-forward.ts';
import type { LlamaConfig } from '../model/llama-config.ts';
import { roundUp } from '../model/weights.ts';
import type { Chunk } from './token-tree.ts';

/** Queries that attention handles at once; its working memory is this many rows of scores. */
export const queryBlock = 48;
/** Floats of logits that the head computes at once, at most; at least {@link fewestPredictions} predictions. */
const logitFloats = 2 ** 23;
const fewestPredictions = 16;

/** The size of a space: M tokens, S predictions, and paths of up to T keys. */
export interface Capacity {
  readonly tokens: number;
  readonly predictions: number;
  readonly keys: number;
}

/** The size of a model, as far as a space depends on it. */
export interface SpaceShape {
  readonly config: LlamaConfig;
  readonly widths: Widths;
}

/** The addresses of a space; integers and floats are 4 bytes. */
export interface SpaceAddresses {
  /** The same as in the chunk. */
  readonly ids: Address;
  readonly positions: Address;
  readonly predicting: Address;
  readonly predictors: Address;
  readonly targets: Address;
  /** All layers share everything but their inputs where layers are computed again. */
  readonly layers: readonly LayerActivations[];
  /** Log-sum-exps of the attention rows, (layers, heads, M). */
  readonly attentionLogSums: Address;
  /** The last layer's output, (U, hidden). */
  readonly output: Address;
  /** The output that makes each prediction and its norm, (S, hidden), with the reciprocal roots (S,). */
  readonly last: Address;
  readonly lastNorm: Address;
  readonly lastInverse: Address;
  /** Logits of some predictions, (predictionsAtOnce, vocabulary). */
  readonly logits: Address;
  readonly logSums: Address;
  readonly logprobs: Address;
  readonly entropies: Address;
  readonly slopes: Address;
  readonly dLast: Address;
  readonly dLastNorm: Address;
  /** Gradient of a layer's output, then of its middle; with `dInput` for the layer that takes fewer rows on than it gets. */
  readonly dHidden: Address;
  readonly dInput: Address;
  readonly dNorm: Address;
  readonly dMlp: Address;
  readonly dAttended: Address;
  readonly dQueryKeyValue: Address;
  /** The gradient of queries and keys before their norms, in rows as wide; 0 where the model has none. */
  readonly dRawQueryKey: Address;
  /** Takes the gradients of frozen vectors, which nobody reads. */
  readonly discarded: Address;
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

export interface TrainingSpace extends SpaceAddresses {
  readonly capacity: Capacity;
  readonly address: Address;
  readonly bytes: number;
  /** True where the backward pass computes layers again. */
  readonly isRecomputed: boolean;
  readonly predictionsAtOnce: number;
  readonly views: Readonly<Record<'ids' | 'positions' | 'predicting' | 'predictors' | 'targets', Int32Array>> &
    Readonly<Record<'logprobs' | 'entropies' | 'slopes', Float32Array>>;
}

/** Returns the capacity that holds the chunk and is not below `least`. Sizes grow in coarse steps. */
export function capacityFor(chunk: Chunk, least: Capacity): Capacity {
  const keys = Math.max(...chunk.segments.map(({ position, length }) => position + length));
  return {
    tokens: roundUp(Math.max(chunk.ids.length, least.tokens), 128),
    predictions: roundUp(Math.max(chunk.targets.length, least.predictions), 64),
    keys: roundUp(Math.max(keys, least.keys), 64),
  };
}

/** Returns the bytes of a space. */
export function spaceBytes(shape: SpaceShape, capacity: Capacity, isRecomputed: boolean): number {
  return arrange(shape, 0, capacity, isRecomputed).end;
}

/** Returns the number of predictions whose logits are computed at once. */
export function predictionsAtOnce({ widths }: SpaceShape, predictions: number): number {
  return Math.min(predictions, Math.max(fewestPredictions, Math.floor(logitFloats / widths.logits)));
}

/** Opens a space at an address that has room for it. */
export function openSpace(
  shape: SpaceShape & { readonly memory: WasmMemory },
  address: Address,
  capacity: Capacity,
  isRecomputed: boolean,
): TrainingSpace {
  const { addresses, end } = arrange(shape, address, capacity, isRecomputed);
  const { buffer } = shape.memory;
  const { tokens, predictions } = capacity;
  return {
    ...addresses,
    capacity,
    address,
    bytes: end - address,
    isRecomputed,
    predictionsAtOnce: predictionsAtOnce(shape, predictions),
    views: {
      ids: new Int32Array(buffer, addresses.ids, tokens),
      positions: new Int32Array(buffer, addresses.positions, tokens),
      predicting: new Int32Array(buffer, addresses.predicting, tokens),
      predictors: new Int32Array(buffer, addresses.predictors, predictions),
      targets: new Int32Array(buffer, addresses.targets, predictions),
      logprobs: new Float32Array(buffer, addresses.logprobs, predictions),
      entropies: new Float32Array(buffer, addresses.entropies, predictions),
      slopes: new Float32Array(buffer, addresses.slopes, predictions),
    },
  };
}

/** Places all buffers one after the other from `address`. */
function arrange(
  shape: SpaceShape,
  address: Address,
  capacity: Capacity,
  isRecomputed: boolean,
): { addresses: SpaceAddresses; end: Address } {
  const { config, widths } = shape;
  const { tokens, predictions, keys } = capacity;
  let next = address;
  const take = (count: number): Address => {
    const at = next;
    next += roundUp(count * 4, 64);
    return at;
  };
  const hasNorms = config.queryKeyNorm === true;
  const layer = (): LayerActivations => ({
    input: take(tokens * widths.hidden),
    norm1: take(tokens * widths.hidden),
    inverse1: take(tokens),
    queryKeyValue: take(tokens * widths.queryKeyValue),
    ...(hasNorms && {
      rawQueryKey: take(tokens * widths.queryKeyValue),
      inverseQueryKey: take(tokens * (config.heads + config.keyValueHeads)),
    }),
    attended: take(tokens * widths.attended),
    middle: take(tokens * widths.hidden),
    norm2: take(tokens * widths.hidden),
    inverse2: take(tokens),
    gateUp: take(tokens * widths.gateUp),
    mlp: take(tokens * widths.mlp),
  });
  const layers = (): LayerActivations[] => {
    if (!isRecomputed) return Array.from({ length: config.layers }, layer);
    const shared = layer();
    const inputs = Array.from({ length: config.layers - 1 }, () => take(tokens * widths.hidden));
    return [shared, ...inputs.map((input) => ({ ...shared, input }))];
  };
  const addresses: SpaceAddresses = {
    ids: take(tokens),
    positions: take(tokens),
    predicting: take(tokens),
    predictors: take(predictions),
    targets: take(predictions),
    layers: layers(),
    attentionLogSums: take(config.layers * config.heads * tokens),
    output: take(tokens * widths.hidden),
    last: take(predictions * widths.hidden),
    lastNorm: take(predictions * widths.hidden),
    lastInverse: take(predictions),
    logits: take(predictionsAtOnce(shape, predictions) * widths.logits),
    logSums: take(predictions),
    logprobs: take(predictions),
    entropies: take(predictions),
    slopes: take(predictions),
    dLast: take(predictions * widths.hidden),
    dLastNorm: take(predictions * widths.hidden),
    dHidden: take(tokens * widths.hidden),
    dInput: take(tokens * widths.hidden),
    dNorm: take(tokens * widths.hidden),
    dMlp: take(tokens * widths.mlp),
    dAttended: take(tokens * widths.attended),
    dQueryKeyValue: take(tokens * widths.queryKeyValue),
    dRawQueryKey: hasNorms ? take(tokens * widths.queryKeyValue) : 0,
    discarded: take(Math.max(config.hiddenSize, config.headSize)),
    keys: take(keys * config.headSize),
    values: take(keys * config.headSize),
    keyPanels: take(keys * config.headSize),
    valuePanels: take(keys * config.headSize),
    dKeys: take(keys * config.headSize),
    dValues: take(keys * config.headSize),
    scores: take(queryBlock * keys),
    dScores: take(queryBlock * keys),
  };
  return { addresses, end: next };
}
