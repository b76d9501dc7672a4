/** One transformer layer, forward, over M tokens of any sequences; attention is the caller's, for it knows where the keys are. */
import type { EngineMap } from './engine-memory.ts';
import type { Address, Kernels } from './kernels.ts';
import type { LlamaConfig } from './llama-types.ts';
import { roundUp, type Block, type LayerBlocks, type ParameterLayout } from './parameter-layout.ts';
import type { WasmMemory } from './web-assembly.ts';

/** What every pass over the model needs. */
export interface Model {
  readonly kernels: Kernels;
  readonly memory: WasmMemory;
  readonly config: LlamaConfig;
  readonly layout: ParameterLayout;
  readonly map: EngineMap;
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

/** C (M, outputs) = A · Wᵀ by the forward panels of `block`. */
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

/** Computes layer `blocks` for M tokens from `act.input` to `output` with the weights at `forward`. */
export function layerForward(
  model: Model,
  forward: Address,
  blocks: LayerBlocks,
  rows: number,
  positions: Address,
  act: LayerActivations,
  attention: () => void,
  output: Address,
): void {
  const { kernels, config, widths, map } = model;
  const { hiddenSize, rmsNormEpsilon } = config;
  const vector = (block: Block): Address => forward + block.forward * 4;

  kernels.rmsNorm(
    rows,
    hiddenSize,
    rmsNormEpsilon,
    act.input,
    widths.hidden,
    vector(blocks.inputNorm),
    act.norm1,
    widths.hidden,
    act.inverse1,
  );
  linear(model, forward, blocks.queryKeyValue, rows, act.norm1, widths.hidden, act.queryKeyValue, widths.queryKeyValue);
  kernels.rotate(
    rows,
    config.heads + config.keyValueHeads,
    config.headSize,
    positions,
    map.cosines,
    map.sines,
    1,
    act.queryKeyValue,
    widths.queryKeyValue,
  );
  attention();
  kernels.copyFloats(rows * widths.hidden, act.input, act.middle);
  linear(model, forward, blocks.attentionOutput, rows, act.attended, widths.attended, act.middle, widths.hidden, true);

  kernels.rmsNorm(
    rows,
    hiddenSize,
    rmsNormEpsilon,
    act.middle,
    widths.hidden,
    vector(blocks.middleNorm),
    act.norm2,
    widths.hidden,
    act.inverse2,
  );
  linear(model, forward, blocks.gateUp, rows, act.norm2, widths.hidden, act.gateUp, widths.gateUp);
  kernels.swiglu(rows, roundUp(config.intermediateSize, 8), act.gateUp, widths.gateUp, act.mlp, widths.mlp);
  kernels.copyFloats(rows * widths.hidden, act.middle, output);
  linear(model, forward, blocks.down, rows, act.mlp, widths.mlp, output, widths.hidden, true);
}
