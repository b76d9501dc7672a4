/** Computes one transformer layer, forward, over M tokens of any sequences. The caller computes attention, because it knows where the keys are. */
import type { Address, Kernels } from '../kernels/kernels.ts';
import type { WasmMemory } from '../kernels/web-assembly.ts';
import type { LlamaConfig } from './llama-config.ts';
import type { FrozenScratch } from './frozen-scratch.ts';
import { linear, vectorAt } from './linear.ts';
import type { ModelMap } from './model-memory.ts';
import type { LayerBlocks, ParameterLayout } from './parameter-layout.ts';
import { roundUp, type Vector } from './weights.ts';

/** The data that every pass over the model needs. */
export interface Model {
  readonly kernels: Kernels;
  readonly memory: WasmMemory;
  readonly config: LlamaConfig;
  readonly layout: ParameterLayout;
  readonly map: ModelMap;
  readonly widths: Widths;
  /** The working memory of this thread for frozen matrices; undefined where all weights are trained. */
  readonly scratch: FrozenScratch | undefined;
}

/** Row strides of activations, in floats: widths, with a cache line added where a power of two would map rows to the same cache sets. */
export interface Widths {
  readonly hidden: number;
  /** Queries, then keys, then values. */
  readonly queryKeyValue: number;
  readonly attended: number;
  /** Gate, then up. */
  readonly gateUp: number;
  readonly mlp: number;
  readonly logits: number;
}

/** Returns the row strides of a model's activations. */
export function rowStrides(config: LlamaConfig): Widths {
  const stride = (width: number): number => (width % 64 === 0 ? width + 16 : roundUp(width, 16));
  const mlp = roundUp(config.intermediateSize, 8);
  return {
    hidden: stride(config.hiddenSize),
    queryKeyValue: stride((config.heads + 2 * config.keyValueHeads) * config.headSize),
    attended: stride(config.heads * config.headSize),
    gateUp: stride(2 * mlp),
    mlp: stride(mlp),
    logits: stride(roundUp(config.vocabSize, 8)),
  };
}

/** Activations of one layer, (M, width) each, at addresses. */
export interface LayerActivations {
  /** The layer's input, (M, hidden). */
  readonly input: Address;
  readonly norm1: Address;
  /** Reciprocal roots of the norm, (M,). */
  readonly inverse1: Address;
  /** Rotated queries, rotated keys, values. */
  readonly queryKeyValue: Address;
  /** Queries and keys before their norms, in rows as wide, and the norms' reciprocal roots, (heads, M), where they have norms and a backward pass follows. */
  readonly rawQueryKey?: Address;
  readonly inverseQueryKey?: Address;
  readonly attended: Address;
  /** Input plus attention, (M, hidden). */
  readonly middle: Address;
  readonly norm2: Address;
  readonly inverse2: Address;
  readonly gateUp: Address;
  readonly mlp: Address;
}

/** The tokens of a layer whose output is wanted: all M, or U of them by their rows, (U,) int32 at `gather`. */
export interface WantedRows {
  readonly rows: number;
  readonly gather?: Address;
}

/**
 * Computes layer `blocks` from `act.input` (M, hidden) to `output` (U, hidden) with the weights at `forward`; without `output` it computes
 * the activations alone. The callback `attention` fills `act.attended` (U, ·) from `act.queryKeyValue` (M, ·); what follows it runs on the wanted rows alone.
 */
export function layerForward(
  model: Model,
  forward: Address,
  blocks: LayerBlocks,
  rows: number,
  positions: Address,
  wanted: WantedRows,
  act: LayerActivations,
  attention: () => void,
  output: Address | undefined,
): void {
  const { kernels, config, widths } = model;
  const hidden = widths.hidden;

  // middle = input + output(attention(rotate(queries, keys), values))
  normalize(model, forward, blocks.inputNorm, rows, act.input, act.norm1, act.inverse1);
  projectQueries(model, forward, blocks, rows, positions, act);
  attention();
  if (wanted.gather === undefined) kernels.copyFloats(rows * hidden, act.input, act.middle);
  else kernels.gatherRows(wanted.rows, config.hiddenSize, wanted.gather, act.input, hidden, act.middle, hidden);
  const attended = { at: act.attended, stride: widths.attended };
  linear(model, forward, blocks.attentionOutput, wanted.rows, attended, { at: act.middle, stride: hidden }, true);

  // output = middle + down(silu(gate) · up)
  normalize(model, forward, blocks.middleNorm, wanted.rows, act.middle, act.norm2, act.inverse2);
  const norm2 = { at: act.norm2, stride: hidden };
  linear(model, forward, blocks.gateUp, wanted.rows, norm2, { at: act.gateUp, stride: widths.gateUp });
  kernels.swiglu(wanted.rows, roundUp(config.intermediateSize, 8), act.gateUp, widths.gateUp, act.mlp, widths.mlp);
  if (output === undefined) return;
  kernels.copyFloats(wanted.rows * hidden, act.middle, output);
  const mlp = { at: act.mlp, stride: widths.mlp };
  linear(model, forward, blocks.down, wanted.rows, mlp, { at: output, stride: hidden }, true);
}

/** Computes a norm of x (rows, hidden), and keeps its reciprocal roots (rows,). */
export function normalize(
  model: Model,
  forward: Address,
  weight: Vector,
  rows: number,
  x: Address,
  out: Address,
  inverse: Address,
): void {
  const { kernels, config, widths } = model;
  const at = vectorAt(model, forward, weight);
  kernels.rmsNorm(rows, config.hiddenSize, config.rmsNormEpsilon, x, widths.hidden, at, out, widths.hidden, inverse);
}

/** Computes queries, keys and values of `act.norm1`, with their biases and norms where the model has them, and rotates queries and keys. */
function projectQueries(
  model: Model,
  forward: Address,
  blocks: LayerBlocks,
  rows: number,
  positions: Address,
  act: LayerActivations,
): void {
  const { kernels, config, widths, map } = model;
  const { headSize } = config;
  const out = { at: act.queryKeyValue, stride: widths.queryKeyValue };
  linear(model, forward, blocks.queryKeyValue, rows, { at: act.norm1, stride: widths.hidden }, out);
  let column = 0;
  for (const bias of blocks.queryKeyValueBiases) {
    kernels.addVector(rows, bias.columns, vectorAt(model, forward, bias), out.at + column * 4, out.stride);
    column += bias.columns;
  }
  const rotated = config.heads + config.keyValueHeads;
  if (act.rawQueryKey !== undefined)
    kernels.copyRows(rows, rotated * headSize, out.at, out.stride, act.rawQueryKey, out.stride);
  eachNormedHead(config, blocks, (head, norm) => {
    const from = (act.rawQueryKey ?? out.at) + head * headSize * 4;
    const to = out.at + head * headSize * 4;
    const inverse = act.inverseQueryKey === undefined ? act.inverse1 : act.inverseQueryKey + head * rows * 4;
    const weight = vectorAt(model, forward, norm);
    kernels.rmsNorm(rows, headSize, config.rmsNormEpsilon, from, out.stride, weight, to, out.stride, inverse);
  });
  kernels.rotate(rows, rotated, headSize, positions, map.cosines, map.sines, 1, out.at, out.stride);
}

/** Calls `work` for each query head and then each key head, where they have norms. */
export function eachNormedHead(
  { heads, keyValueHeads }: LlamaConfig,
  { queryNorm, keyNorm }: LayerBlocks,
  work: (head: number, norm: Vector) => void,
): void {
  if (!queryNorm || !keyNorm) return;
  for (let head = 0; head < heads + keyValueHeads; head++) work(head, head < heads ? queryNorm : keyNorm);
}
