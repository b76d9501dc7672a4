/** A model of the Llama family in plain float64 loops, written to be obviously right: the second implementation that the engine must agree with. */
import type { TrainingSample } from '@agent-lightning/core';
import { parameterShapes, type Adaptation, type LlamaConfig } from '../src/index.ts';
import { adapterShapes } from '../src/model/adaptation.ts';

export type NaiveWeights = Map<string, Float64Array>;

/** log P(tokens[t] | tokens[0..t)) at a temperature for t ≥ 1; entry 0 is 0. */
export function naiveLogprobs(
  config: LlamaConfig,
  weights: NaiveWeights,
  tokens: ArrayLike<number>,
  temperature = 1,
): number[] {
  const head = weights.get('lm_head.weight') ?? weights.get('model.embed_tokens.weight')!;
  const hidden = naiveHidden(config, weights, tokens);
  return [
    0,
    ...hidden.map((x, t) => logSoftmax(product(head, x).map((logit) => logit / temperature))[tokens[t + 1]!]!),
  ];
}

/** The critic's value of the state before tokens[t], b + w·h / H, for t ≥ 1; entry 0 is 0. `head` is w, then b. */
export function naiveValues(
  config: LlamaConfig,
  weights: NaiveWeights,
  head: ArrayLike<number>,
  tokens: ArrayLike<number>,
): number[] {
  const { hiddenSize } = config;
  const hidden = naiveHidden(config, weights, tokens);
  return [
    0,
    ...hidden.map((x) => head[hiddenSize]! + x.reduce((total, value, j) => total + head[j]! * value, 0) / hiddenSize),
  ];
}

/** The last hidden state, after its norm, of all tokens but the last. */
function naiveHidden(config: LlamaConfig, weights: NaiveWeights, tokens: ArrayLike<number>): number[][] {
  const weight = (name: string): Float64Array => weights.get(name)!;
  const embedding = weight('model.embed_tokens.weight');
  const count = tokens.length - 1;
  let hidden = Array.from({ length: count }, (_, t) => [
    ...embedding.subarray(tokens[t]! * config.hiddenSize, (tokens[t]! + 1) * config.hiddenSize),
  ]);
  for (let i = 0; i < config.layers; i++) {
    const name = (part: string): Float64Array => weight(`model.layers.${i}.${part}.weight`);
    const norm1 = hidden.map((x) => rmsNorm(x, name('input_layernorm'), config.rmsNormEpsilon));
    const project = (part: string, x: readonly number[]): number[] => {
      const bias = weights.get(`model.layers.${i}.self_attn.${part}_proj.bias`);
      return product(name(`self_attn.${part}_proj`), x).map((value, j) => value + (bias?.[j] ?? 0));
    };
    const norm = (part: string, x: readonly number[]): number[] =>
      config.queryKeyNorm ? headNorms(x, name(`self_attn.${part}_norm`), config.rmsNormEpsilon) : [...x];
    const queries = norm1.map((x, t) => rotate(norm('q', project('q', x)), t, config));
    const keys = norm1.map((x, t) => rotate(norm('k', project('k', x)), t, config));
    const values = norm1.map((x) => project('v', x));
    const attended = queries.map((query, t) => attend(query, keys.slice(0, t + 1), values, config));
    hidden = hidden.map((x, t) => sum(x, product(name('self_attn.o_proj'), attended[t]!)));
    hidden = hidden.map((x) => {
      const norm2 = rmsNorm(x, name('post_attention_layernorm'), config.rmsNormEpsilon);
      const up = product(name('mlp.up_proj'), norm2);
      const inner = product(name('mlp.gate_proj'), norm2).map((gate, j) => (gate / (1 + Math.exp(-gate))) * up[j]!);
      return sum(x, product(name('mlp.down_proj'), inner));
    });
  }
  return hidden.map((x) => rmsNorm(x, weight('model.norm.weight'), config.rmsNormEpsilon));
}

/** Reproducible weights and a config of awkward sizes: an MLP width and a vocabulary that no tile divides. */
export function naiveModel(options: { seed: number; tied: boolean; scale?: number; config?: Partial<LlamaConfig> }): {
  config: LlamaConfig;
  weights: NaiveWeights;
} {
  const config: LlamaConfig = {
    vocabSize: 13,
    hiddenSize: 16,
    intermediateSize: 20,
    layers: 2,
    heads: 4,
    keyValueHeads: 2,
    headSize: 8,
    maxPositions: 160,
    ropeTheta: 10_000,
    rmsNormEpsilon: 1e-5,
    tieWordEmbeddings: options.tied,
    ...options.config,
  };
  const random = randomStream(options.seed);
  const scale = options.scale ?? 0.5;
  const weights = new Map(
    [...parameterShapes(config)].map(([name, shape]) => {
      const length = shape.reduce((product: number, size) => product * size, 1);
      const center = name.includes('norm') ? 1 : 0;
      return [name, Float64Array.from({ length }, () => Math.fround(center + scale * (random() - 0.5)))];
    }),
  );
  return { config, weights };
}

/** Random adapters of a frozen model, A and B far from zero. */
export function naiveAdapters(config: LlamaConfig, adaptation: Adaptation, seed: number): NaiveWeights {
  const random = randomStream(seed);
  return new Map(
    [...adapterShapes(config, adaptation)].map(([name, [rows, columns]]) => [
      name,
      Float64Array.from({ length: rows * columns! }, () => Math.fround(0.6 * (random() - 0.5))),
    ]),
  );
}

/** W + alpha / rank · B · A for every adapted layer; a tied head that is adapted gets weights of its own. */
export function mergeNaively(weights: NaiveWeights, adapters: NaiveWeights, { rank, alpha }: Adaptation): NaiveWeights {
  const merged = new Map(weights);
  for (const [name, a] of adapters) {
    if (!name.endsWith('.lora_A.weight')) continue;
    const layer = name.replace('.lora_A.weight', '');
    const b = adapters.get(`${layer}.lora_B.weight`)!;
    const inputs = a.length / rank;
    const base = weights.get(`${layer}.weight`) ?? weights.get('model.embed_tokens.weight')!;
    merged.set(
      `${layer}.weight`,
      base.map((value, index) => {
        const [row, column] = [Math.floor(index / inputs), index % inputs];
        let change = 0;
        for (let inner = 0; inner < rank; inner++) change += b[row * rank + inner]! * a[inner * inputs + column]!;
        return value + (alpha / rank) * change;
      }),
    );
  }
  return merged;
}

export function toFloat32(weights: NaiveWeights): Map<string, Float32Array> {
  return new Map([...weights].map(([name, values]) => [name, Float32Array.from(values)]));
}

/** Random training samples of the given lengths: half of the tokens trained on, ratios near and far from 1, advantages of both signs. */
export function naiveSamples(
  config: LlamaConfig,
  weights: NaiveWeights,
  lengths: readonly number[],
  seed: number,
  temperatures?: readonly number[],
): TrainingSample[] {
  const random = randomStream(seed);
  return lengths.map((length, index) => {
    const temperature = temperatures?.[index];
    const tokens = Int32Array.from({ length }, () => Math.floor(random() * config.vocabSize));
    const now = naiveLogprobs(config, weights, tokens, temperature);
    const lossMask = Uint8Array.from({ length }, (_, t) => (t > 0 && (random() < 0.5 || t === length - 1) ? 1 : 0));
    const shifts = [-0.9, -0.05, 0.07, 0.8];
    return {
      tokens,
      lossMask,
      logprobs: Float32Array.from({ length }, (_, t) =>
        lossMask[t] ? now[t]! + shifts[Math.floor(random() * 4)]! : 0,
      ),
      advantages: Float32Array.from({ length }, (_, t) => (lossMask[t] ? 2 * random() - 1 : 0)),
      ...(temperature !== undefined && { temperature }),
    };
  });
}

/** Uniform in [0, 1): a linear congruential generator, enough for test data. */
export function randomStream(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function product(matrix: Float64Array, x: readonly number[]): number[] {
  return Array.from({ length: matrix.length / x.length }, (_, row) =>
    x.reduce((total, value, j) => total + value * matrix[row * x.length + j]!, 0),
  );
}

function sum(a: readonly number[], b: readonly number[]): number[] {
  return a.map((value, i) => value + b[i]!);
}

function rmsNorm(x: readonly number[], weight: Float64Array, epsilon: number): number[] {
  const scale = 1 / Math.sqrt(x.reduce((total, value) => total + value * value, 0) / x.length + epsilon);
  return x.map((value, i) => value * scale * weight[i]!);
}

/** Normalizes each head of x by itself. */
function headNorms(x: readonly number[], weight: Float64Array, epsilon: number): number[] {
  const heads = Array.from({ length: x.length / weight.length }, (_, head) =>
    x.slice(head * weight.length, (head + 1) * weight.length),
  );
  return heads.flatMap((head) => rmsNorm(head, weight, epsilon));
}

function rotate(x: readonly number[], position: number, { headSize, ropeTheta }: LlamaConfig): number[] {
  const half = headSize / 2;
  return x.map((value, i) => {
    const channel = i % headSize;
    const angle = position * ropeTheta ** (-(2 * (channel % half)) / headSize);
    const partner = channel < half ? -x[i + half]! : x[i - half]!;
    return value * Math.cos(angle) + partner * Math.sin(angle);
  });
}

function attend(
  query: readonly number[],
  keys: readonly (readonly number[])[],
  values: readonly (readonly number[])[],
  { headSize, heads, keyValueHeads }: LlamaConfig,
): number[] {
  return Array.from({ length: heads }, (_, head) => {
    const own = head * headSize;
    const shared = Math.floor(head / (heads / keyValueHeads)) * headSize;
    const scores = keys.map(
      (key) =>
        Array.from({ length: headSize }, (_, j) => query[own + j]! * key[shared + j]!).reduce((a, b) => a + b, 0) /
        Math.sqrt(headSize),
    );
    const weights = logSoftmax(scores).map(Math.exp);
    return Array.from({ length: headSize }, (_, j) =>
      weights.reduce((total, weight, t) => total + weight * values[t]![shared + j]!, 0),
    );
  }).flat();
}

function logSoftmax(x: readonly number[]): number[] {
  const top = Math.max(...x);
  const normal = top + Math.log(x.reduce((total, value) => total + Math.exp(value - top), 0));
  return x.map((value) => value - normal);
}
