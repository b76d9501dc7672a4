/** Weights for a model that starts from nothing. */
import { parameterShapes } from '../model/llama-engine.ts';
import type { LlamaConfig, LlamaWeights } from '../model/llama-types.ts';

/** Standard deviation of every matrix, as Llama's `initializer_range`. */
const standardDeviation = 0.02;

/**
 * Normal(0, 0.02) matrices, with the projections back into the residual stream divided by √(2·layers) so that its variance
 * does not grow with depth; norms are 1. The same seed gives the same weights on every machine.
 *
 * @source GPT-2 report §2.3 (residual scaling)
 */
export function randomWeights(config: LlamaConfig, seed: number): LlamaWeights {
  const nextNormal = normalNumbers(seed);
  const weights = new Map<string, Float32Array>();
  for (const [name, shape] of parameterShapes(config)) {
    const length = shape.reduce((product, size) => product * size, 1);
    const scale = /\.(o_proj|down_proj)\.weight$/.test(name) ? standardDeviation / Math.sqrt(2 * config.layers) : standardDeviation;
    weights.set(name, shape.length === 1 ? new Float32Array(length).fill(1) : Float32Array.from({ length }, () => scale * nextNormal()));
  }
  return weights;
}

/** Standard normal numbers by the Box–Muller transform. */
function normalNumbers(seed: number): () => number {
  const nextUniform = uniformNumbers(seed);
  return () => Math.sqrt(-2 * Math.log(1 - nextUniform())) * Math.cos(2 * Math.PI * nextUniform());
}

/** Numbers in [0, 1) with 32 random bits: mulberry32. */
function uniformNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}
