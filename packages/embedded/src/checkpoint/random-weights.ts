/** Draws the weights of a model that starts from nothing. */
import type { LlamaConfig, LlamaWeights } from '../model/llama-config.ts';
import { parameterShapes } from '../model/parameter-shapes.ts';
import { RandomStream } from '../random/random-stream.ts';

/** Standard deviation of every matrix, as Llama's `initializer_range`. */
const standardDeviation = 0.02;

/**
 * Returns Normal(0, 0.02) matrices, with the projections back into the residual stream divided by √(2·layers) so that its
 * variance does not grow with depth; norms are 1. The same seed gives the same weights on every machine.
 *
 * @source GPT-2 report §2.3 (residual scaling)
 */
export function randomWeights(config: LlamaConfig, seed: number): LlamaWeights {
  const random = new RandomStream(seed);
  const weights = new Map<string, Float32Array>();
  for (const [name, shape] of parameterShapes(config)) {
    const length = shape.reduce((product: number, size) => product * size, 1);
    const scale = /\.(o_proj|down_proj)\.weight$/.test(name)
      ? standardDeviation / Math.sqrt(2 * config.layers)
      : standardDeviation;
    weights.set(
      name,
      shape.length === 1
        ? new Float32Array(length).fill(1)
        : Float32Array.from({ length }, () => scale * random.nextNormal()),
    );
  }
  return weights;
}
