import { afterEach, describe, expect, it } from 'vitest';
import type { TrainingSample } from '@agent-lightning/core';
import {
  mergeNaively,
  naiveAdapters,
  naiveLogprobs,
  naiveModel,
  naiveSamples,
  toFloat32,
  type NaiveWeights,
} from '../../test/naive-llama.ts';
import type { Adaptation } from '../model/adaptation.ts';
import type { LlamaConfig } from '../model/llama-config.ts';
import type { LlamaEngineOptions } from './engine-types.ts';
import { LlamaEngine } from './llama-engine.ts';

const engines: LlamaEngine[] = [];
afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.close()));
});

const adaptation: Adaptation = {
  rank: 4,
  alpha: 6,
  trainAttention: true,
  trainMlp: true,
  trainUnembed: false,
  frozenType: 'float32',
};

async function engineOf(
  model: { config: LlamaConfig; weights: NaiveWeights },
  options: Partial<LlamaEngineOptions>,
): Promise<LlamaEngine> {
  const engine = await LlamaEngine.create({
    config: model.config,
    weights: toFloat32(model.weights),
    threads: 2,
    ...options,
  });
  engines.push(engine);
  return engine;
}

describe.each([
  ['tied', { tied: true }],
  [
    'untied, of an odd number of panels',
    { tied: false, config: { hiddenSize: 24, heads: 3, keyValueHeads: 1, headSize: 8, vocabSize: 37 } },
  ],
])('a frozen model, %s', (_, shape) => {
  const model = naiveModel({ seed: 3, ...shape });
  const samples = naiveSamples(model.config, model.weights, [100, 3, 49, 50], 5);

  it('in float32, with adapters that change nothing yet, computes what the trained engine computes, bit for bit', async () => {
    const [trained, frozen] = [await engineOf(model, {}), await engineOf(model, { adaptation })];
    expect(await frozen.forward(samples)).toEqual(await trained.forward(samples));
  });

  it('in bfloat16 computes what one in float32 computes of the rounded weights, bit for bit', async () => {
    const rounded = new Map(
      [...model.weights].map(([name, values]) => [name, isVector(name) ? values : roundToHalf(values)]),
    );
    const half = await engineOf(model, { adaptation: { ...adaptation, frozenType: 'bfloat16' } });
    const single = await engineOf({ ...model, weights: rounded }, { adaptation });
    expect(await half.forward(samples)).toEqual(await single.forward(samples));
    for (const choices of [1, 2, 5, 9])
      expect(await sampleFrom(half, choices)).toEqual(await sampleFrom(single, choices));
    for (const engine of [half, single]) await engine.forwardBackward(samples, { name: 'cross_entropy' });
    for (const engine of [half, single]) await engine.optimStep({ learningRate: 0.01 });
    expect(half.exportWeights()).toEqual(single.exportWeights());
    expect(new Map(half.exportModel())).toEqual(new Map(single.exportModel()));
  });
});

describe.each<[string, Parameters<typeof naiveModel>[0], Partial<Adaptation>, (readonly number[])?]>([
  ['attention and MLP', { seed: 7, tied: true }, {}],
  ['attention alone, with biases', { seed: 8, tied: true, config: { attentionBias: true } }, { trainMlp: false }],
  [
    'MLP alone, with norms of queries and keys',
    { seed: 9, tied: false, config: { queryKeyNorm: true } },
    { trainAttention: false },
  ],
  ['a tied output layer', { seed: 10, tied: true }, { trainUnembed: true, rank: 9 }],
  ['all layers, at temperatures of the samples', { seed: 10, tied: false }, { trainUnembed: true }, [0.5, 1.3, 0.7]],
])('adapters of %s', (_, shape, change, temperatures) => {
  const model = naiveModel(shape);
  const lora: Adaptation = { ...adaptation, ...change };
  const adapters = naiveAdapters(model.config, lora, 21);
  const samples = naiveSamples(model.config, model.weights, [5, 9, 2], 11, temperatures);
  const logprobsNow = (): number[][] => {
    const merged = mergeNaively(model.weights, adapters, lora);
    return samples.map(({ tokens, temperature }) => naiveLogprobs(model.config, merged, tokens, temperature));
  };

  it('give the log-probabilities and the gradient of finite differences in float64, trained and frozen alike', async () => {
    const engine = await engineOf(model, { adaptation: lora });
    await engine.loadWeights(toFloat32(adapters));
    const { loss, logprobs } = await engine.forwardBackward(samples, { name: 'cross_entropy' });
    const expected = logprobsNow();
    expect(loss).toBeCloseTo(crossEntropy(samples, expected), 4);
    for (const [i, { lossMask }] of samples.entries())
      for (const [t, mask] of lossMask.entries()) expect(logprobs[i]![t]).toBeCloseTo(mask ? expected[i]![t]! : 0, 5);
    await engine.optimStep({ learningRate: 0, beta1: 0 });
    const gradient = engine.exportOptimizer().moments1;
    expect([...gradient.keys()].sort()).toEqual([...adapters.keys()].sort());
    for (const [name, values] of adapters) {
      const index = values.length - 1 - (name.length % 5);
      const slope = centralDifference(values, index, () => crossEntropy(samples, logprobsNow()));
      const largest = Math.max(...gradient.get(name)!.map(Math.abs), 1e-3);
      expect(Math.abs(gradient.get(name)![index]! - slope) / largest, `${name}[${index}]`).toBeLessThan(2e-5);
    }
  });

  it('are merged into a model that computes the same', async () => {
    const engine = await engineOf(model, { adaptation: lora });
    await engine.loadWeights(toFloat32(adapters));
    const weights = new Map(engine.exportModel());
    const merged = await LlamaEngine.create({ config: engine.exportedConfig, weights, threads: 1 });
    engines.push(merged);
    const [expected, actual] = [await engine.forward(samples), await merged.forward(samples)];
    for (const [i, values] of expected.entries())
      for (const [t, value] of values.entries()) expect(actual[i]![t]).toBeCloseTo(value, 5);
  });

  it('start from the seed and change nothing until they are trained', async () => {
    const engine = await engineOf(model, { adaptation: lora });
    await engine.restartAdapters(5);
    const first = engine.exportWeights();
    await engine.restartAdapters(6);
    expect(engine.exportWeights()).not.toEqual(first);
    await engine.restartAdapters(5);
    expect(engine.exportWeights()).toEqual(first);
    for (const [name, values] of first) {
      const bound = name.includes('lora_A') ? (values.length / lora.rank) ** -0.5 : 0;
      expect(Math.max(...values.map(Math.abs)), name).toBeLessThanOrEqual(bound);
    }
  });
});

/** Returns tokens and log-probabilities of some choices of one prompt. */
async function sampleFrom(engine: LlamaEngine, choices: number): Promise<number[][]> {
  const sampled = Array.from({ length: choices }, (): number[] => []);
  const logprobs = Array.from({ length: choices }, (): number[] => []);
  const weights = engine.snapshot();
  const request = {
    weights,
    prompt: Int32Array.of(3, 1, 4, 1, 5),
    temperature: 1,
    maxTokens: 20,
    stopTokens: [],
    seed: 2,
  };
  for await (const piece of engine.sample({ ...request, choices })) {
    sampled[piece.choice]!.push(...piece.tokens);
    logprobs[piece.choice]!.push(...piece.logprobs);
  }
  engine.discard(weights);
  return [...sampled, ...logprobs];
}

describe('an engine', () => {
  const model = naiveModel({ seed: 2, tied: true });
  const half = { ...adaptation, frozenType: 'bfloat16' } as const;

  it('refuses a weight that bfloat16 cannot hold, and says what can', async () => {
    const weights = toFloat32(model.weights);
    weights.get('model.layers.0.mlp.up_proj.weight')![3] = 3.4e38;
    const start = (lora: Adaptation): Promise<LlamaEngine> =>
      LlamaEngine.create({ config: model.config, weights, threads: 1, adaptation: lora });
    await expect(start(half)).rejects.toThrow(/mlp.up_proj.weight holds 3.39\d+e\+38, .*dtype: 'float32'/);
    engines.push(await start(adaptation));
  });

  it('takes a source of weights where they are frozen, and refuses one where they are trained', async () => {
    const tensors = toFloat32(model.weights);
    const weights = {
      read: async (name: string, first: number, count: number) => tensors.get(name)!.slice(first, first + count),
    };
    const [engine, same] = [
      await engineOf(model, { weights, adaptation: half }),
      await engineOf(model, { adaptation: half }),
    ];
    expect(new Map(engine.exportModel())).toEqual(new Map(same.exportModel()));
    await expect(LlamaEngine.create({ config: model.config, weights, threads: 1 })).rejects.toMatchObject({
      code: 'option-invalid',
    });
  });
});

function crossEntropy(samples: readonly TrainingSample[], logprobs: readonly number[][]): number {
  return -samples
    .flatMap(({ lossMask, advantages }, i) =>
      logprobs[i]!.map((value, t) => (lossMask[t] ? advantages[t]! * value : 0)),
    )
    .reduce((sum, value) => sum + value, 0);
}

function centralDifference(values: Float64Array, index: number, evaluate: () => number): number {
  const [old, step] = [values[index]!, 1e-5];
  values[index] = old + step;
  const above = evaluate();
  values[index] = old - step;
  const below = evaluate();
  values[index] = old;
  return (above - below) / (2 * step);
}

function isVector(name: string): boolean {
  return name.includes('norm') || name.endsWith('.bias');
}

/** Rounds to the nearest bfloat16, ties to even, by comparing the two neighbours. */
function roundToHalf(values: Float64Array): Float64Array {
  return values.map((value) => {
    if (value === 0) return 0;
    const spacing = 2 ** (Math.floor(Math.log2(Math.abs(value))) - 7);
    const below = Math.floor(value / spacing);
    const rest = value / spacing - below;
    const isUp = rest > 0.5 || (rest === 0.5 && below % 2 !== 0);
    return (below + (isUp ? 1 : 0)) * spacing;
  });
}
