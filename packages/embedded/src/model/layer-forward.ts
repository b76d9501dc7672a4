/** Computes one transformer layer, forward, over M tokens of any sequences. The caller computes attention, because it knows where the keys are. */
import type { Address, Kernels } from '../kernels/kernels.ts';
import type { WasmMemory } from '../kernels/web-assembly.ts';
import type { LlamaConfig } from './llama-config.ts';
import type { ModelMap } from './model-memory.ts';
import { roundUp, type Block, type LayerBlocks, type ParameterLayout } from './parameter-layout.ts';

/** The data that every pass over the model needs. */
export interface Model {
  readonly kernels: Kernels;
  readonly memory: WasmMemory;
  readonly config: LlamaConfig;
  readonly layout: ParameterLayout;
  readonly map: ModelMap;
  readonly widths: Widths;
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
export function rowStrides(config: LlamaConfig, layout: ParameterLayout): Widths {
  const stride = (width: number): number => (width % 64 === 0 ? width + 16 : roundUp(width, 16));
  const mlp = roundUp(config.intermediateSize, 8);
  return {
    hidden: stride(config.hiddenSize),
    queryKeyValue: stride((config.heads + 2 * config.keyValueHeads) * config.headSize),
    attended: stride(config.heads * config.headSize),
    gateUp: stride(2 * mlp),
    mlp: stride(mlp),
    logits: stride(roundUp(layout.head.rows, 8)),
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
  readonly attended: Address;
  /** Input plus attention, (M, hidden). */
  readonly middle: Address;
  readonly norm2: Address;
  readonly inverse2: Address;
  readonly gateUp: Address;
  readonly mlp: Address;
}

/** Computes C (M, outputs) = A · Wᵀ with the forward panels of `block`. */
export function linear(
  model: Model,
  forward: Address,
  block: Block,
  rows: number,
  a: Address,
  aStride: number,
  c: Address,
  cStride: number,
  accumulate = false,
): void {
  const panels = forward + (block.forwardHead ?? block.forward) * 4;
  model.kernels.multiply(
    rows,
    roundUp(block.rows, 8),
    block.columns,
    a,
    aStride,
    panels,
    8,
    8 * block.columns,
    c,
    cStride,
    accumulate,
  );
}

/** The tokens of a layer whose output is wanted: all M, or U of them by their rows, (U,) int32 at `gather`. */
export interface WantedRows {
  readonly rows: number;
  readonly gather?: Address;
}

/**
 * Computes layer `blocks` from `act.input` (M, hidden) to `output` (U, hidden) with the weights at `forward`. The callback `attention` fills
 * `act.attended` (U, ·) from `act.queryKeyValue` (M, ·); what follows it runs on the wanted rows alone.
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
  output: Address,
): void {
  const { kernels, config, widths, map } = model;
  const { hiddenSize, rmsNormEpsilon } = config;
  const hidden = widths.hidden;
  const qkv = widths.queryKeyValue;
  const vector = (block: Block): Address => forward + block.forward * 4;

  // middle = input + output(attention(rotate(queries, keys), values))
  kernels.rmsNorm(
    rows,
    hiddenSize,
    rmsNormEpsilon,
    act.input,
    hidden,
    vector(blocks.inputNorm),
    act.norm1,
    hidden,
    act.inverse1,
  );
  linear(model, forward, blocks.queryKeyValue, rows, act.norm1, hidden, act.queryKeyValue, qkv);
  const rotated = config.heads + config.keyValueHeads;
  kernels.rotate(rows, rotated, config.headSize, positions, map.cosines, map.sines, 1, act.queryKeyValue, qkv);
  attention();
  if (wanted.gather === undefined) kernels.copyFloats(rows * hidden, act.input, act.middle);
  else kernels.gatherRows(wanted.rows, hiddenSize, wanted.gather, act.input, hidden, act.middle, hidden);
  linear(model, forward, blocks.attentionOutput, wanted.rows, act.attended, widths.attended, act.middle, hidden, true);

  // output = middle + down(silu(gate) · up)
  kernels.rmsNorm(
    wanted.rows,
    hiddenSize,
    rmsNormEpsilon,
    act.middle,
    hidden,
    vector(blocks.middleNorm),
    act.norm2,
    hidden,
    act.inverse2,
  );
  linear(model, forward, blocks.gateUp, wanted.rows, act.norm2, hidden, act.gateUp, widths.gateUp);
  kernels.swiglu(wanted.rows, roundUp(config.intermediateSize, 8), act.gateUp, widths.gateUp, act.mlp, widths.mlp);
  kernels.copyFloats(wanted.rows * hidden, act.middle, output);
  linear(model, forward, blocks.down, wanted.rows, act.mlp, widths.mlp, output, hidden, true);
}
