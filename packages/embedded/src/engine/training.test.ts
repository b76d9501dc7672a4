import type { Loss, TrainingSample } from '@agent-lightning/core';
import { afterEach, describe, expect, it } from 'vitest';
import { naiveLogprobs, naiveModel, naiveSamples, toFloat32, type NaiveWeights } from '../../test/naive-llama.ts';
import type { LlamaConfig } from '../model/llama-config.ts';
import type { LlamaEngineOptions } from './engine-types.ts';
import { LlamaEngine } from './llama-engine.ts';

const engines: LlamaEngine[] = [];
afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.close()));
});

async function engineOf(
  model: { config: LlamaConfig; weights: NaiveWeights },
  options?: Partial<LlamaEngineOptions>,
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

/** The accumulated gradient: with beta1 0 the first moment is the gradient itself, and rate 0 leaves the weights. */
async function takeGradient(engine: LlamaEngine): Promise<Map<string, Float32Array>> {
  await engine.optimStep({ learningRate: 0, beta1: 0 });
  return engine.exportOptimizer().moments1;
}

const losses: readonly Loss[] = [
  { name: 'importance_sampling' },
  { name: 'ppo', clipLow: 0.8, clipHigh: 1.2 },
  { name: 'ppo', clipLow: 0.8, clipHigh: 1.2, dualClip: 1.3 },
  { name: 'cispo', clipLow: 0.8, clipHigh: 1.2 },
  { name: 'cross_entropy' },
];

/** The loss as backend.ts defines it; `frozen` log-probabilities stand under stopGradient. */
function naiveLoss(loss: Loss, sample: TrainingSample, now: readonly number[], frozen: readonly number[]): number {
  let total = 0;
  for (const [t, lp] of now.entries()) {
    if (sample.lossMask[t] !== 1) continue;
    const a = sample.advantages[t]!;
    const clip = (r: number): number => ('clipLow' in loss ? Math.min(Math.max(r, loss.clipLow), loss.clipHigh) : r);
    const ratio = Math.exp(lp - sample.logprobs[t]!);
    if (loss.name === 'importance_sampling') total -= ratio * a;
    if (loss.name === 'ppo') {
      const gain = Math.min(ratio * a, clip(ratio) * a);
      total -= a < 0 ? Math.max(gain, (loss.dualClip ?? Infinity) * a) : gain;
    }
    if (loss.name === 'cispo') total -= clip(Math.exp(frozen[t]! - sample.logprobs[t]!)) * lp * a;
    if (loss.name === 'cross_entropy') total -= a * lp;
  }
  return total;
}

describe.each<[string, Omit<Parameters<typeof naiveModel>[0], 'seed'>, (readonly number[])?]>([
  ['with tied embeddings', { tied: true }],
  ['with a head of its own', { tied: false }],
  ['with biases, as in Qwen2', { tied: true, config: { attentionBias: true } }],
  ['with norms of queries and keys, as in Qwen3', { tied: true, config: { queryKeyNorm: true } }],
  ['at temperatures of the samples', { tied: true }, [0.5, 1.3, 1, 0.7]],
])('the gradient %s', (_, shape, temperatures) => {
  const model = naiveModel({ seed: 7, ...shape });
  const samples = naiveSamples(model.config, model.weights, [5, 14, 2, 9], 11, temperatures);

  const logprobsNow = (): number[][] =>
    samples.map(({ tokens, temperature }) => naiveLogprobs(model.config, model.weights, tokens, temperature));
  const frozen = logprobsNow();
  const lossOf = (loss: Loss, now: readonly number[][]): number =>
    samples.reduce((total, sample, i) => total + naiveLoss(loss, sample, now[i]!, frozen[i]!), 0);

  /** d loss / d parameter by central differences in float64, which err by about 1e-10 here; for a few entries of every tensor and all losses at once. */
  const slopes = [...model.weights].flatMap(([name, values]) =>
    [Math.floor(values.length / 3), values.length - 1].map((index) => {
      const step = 1e-5;
      const old = values[index]!;
      values[index] = old + step;
      const above = logprobsNow();
      values[index] = old - step;
      const below = logprobsNow();
      values[index] = old;
      return { name, index, of: (loss: Loss) => (lossOf(loss, above) - lossOf(loss, below)) / (2 * step) };
    }),
  );

  it.each(losses)('of %j agrees with finite differences in float64', async (loss) => {
    const engine = await engineOf(model);
    const result = await engine.forwardBackward(samples, loss);
    expect(result.loss).toBeCloseTo(lossOf(loss, frozen), 4);
    const gradient = await takeGradient(engine);
    for (const { name, index, of } of slopes) {
      const largest = Math.max(...gradient.get(name)!.map(Math.abs), 1e-3);
      expect(Math.abs(gradient.get(name)![index]! - of(loss)) / largest, `${name}[${index}]`).toBeLessThan(2e-5); // float32
    }
  });
});

describe('forward', () => {
  const model = naiveModel({ seed: 3, tied: false });
  const samples = naiveSamples(model.config, model.weights, [100, 3, 49, 50, 97, 8, 130], 5);

  it('gives the log-probabilities of a naive float64 implementation where the mask is 1, else 0', async () => {
    const engine = await engineOf(model);
    const logprobs = await engine.forward(samples);
    for (const [i, sample] of samples.entries()) {
      const expected = naiveLogprobs(model.config, model.weights, sample.tokens);
      for (const t of sample.tokens.keys())
        expect(logprobs[i]![t]).toBeCloseTo(sample.lossMask[t] ? expected[t]! : 0, 5);
    }
  });

  it('gives each sample of a packed batch exactly what it gives the sample alone', async () => {
    const engine = await engineOf(model);
    const packed = await engine.forward(samples);
    for (const [i, sample] of samples.entries()) expect((await engine.forward([sample]))[0]).toEqual(packed[i]);
  });
});

describe('accumulation', () => {
  const model = naiveModel({ seed: 9, tied: true });
  const samples = naiveSamples(model.config, model.weights, [20, 31, 7, 44, 12], 2);
  const loss: Loss = { name: 'ppo', clipLow: 0.8, clipHigh: 1.2 };

  it('over several calls gives the gradient of one call with all samples, on one thread and on two', async () => {
    const gradients: Map<string, Float32Array>[] = [];
    for (const [threads, parts] of [
      [1, [samples]],
      [2, [samples]],
      [2, [samples.slice(0, 2), samples.slice(2, 3), samples.slice(3)]],
      [3, [samples.slice(0, 1), samples.slice(1)]],
    ] as const) {
      const engine = await engineOf(model, { threads });
      for (const part of parts) await engine.forwardBackward(part, loss);
      gradients.push(await takeGradient(engine));
    }
    const [expected, ...others] = gradients;
    for (const other of others) {
      for (const [name, values] of expected!) {
        const largest = Math.max(...values.map(Math.abs));
        for (const [i, value] of values.entries())
          expect(Math.abs(other.get(name)![i]! - value), name).toBeLessThan(1e-6 * largest + 1e-7);
      }
    }
  });

  it('gives the same weights bit for bit when the same calls are made again', async () => {
    const train = async (): Promise<Map<string, Float32Array>> => {
      const engine = await engineOf(model);
      for (let step = 0; step < 3; step++) {
        await engine.forwardBackward(samples, loss);
        await engine.optimStep({ learningRate: 1e-2, maxGradientNorm: 1, weightDecay: 0.1 });
      }
      return engine.exportWeights();
    };
    expect(await train()).toEqual(await train());
  });

  it('starts from zero after a step', async () => {
    const engine = await engineOf(model);
    await engine.forwardBackward(samples, loss);
    const first = await takeGradient(engine);
    await engine.forwardBackward(samples, loss);
    expect(await takeGradient(engine)).toEqual(first);
  });

  it('continues bit for bit in another engine that took over weights and optimizer', async () => {
    const step = async (engine: LlamaEngine): Promise<void> => {
      await engine.forwardBackward(samples, loss);
      await engine.optimStep({ learningRate: 1e-2 });
    };
    const first = await engineOf(model);
    await step(first);
    const second = await engineOf(naiveModel({ seed: 1, tied: true }));
    second.loadWeights(first.exportWeights());
    await second.forward(samples);
    second.loadOptimizer(first.exportOptimizer());
    await step(first);
    await step(second);
    expect(second.exportWeights()).toEqual(first.exportWeights());
    expect(second.exportOptimizer().step).toBe(2);
  });
});

describe('samples that begin alike', () => {
  const model = naiveModel({ seed: 14, tied: true });
  /** Samples that continue a common beginning: several of one prompt, one twice, one inside another, forks inside answers. Answers are trained, and some of the prompt too. */
  const [beginning, ...endings] = naiveSamples(model.config, model.weights, [70, 9, 14, 3, 30, 11], 6);
  const continueWith = (length: number, ending: TrainingSample): TrainingSample => {
    const join = (field: Exclude<keyof TrainingSample, 'temperature'>): number[] => [
      ...beginning![field].subarray(0, length),
      ...ending[field],
    ];
    return {
      tokens: Int32Array.from(join('tokens')),
      lossMask: Uint8Array.from(join('lossMask')),
      logprobs: Float32Array.from(join('logprobs')),
      advantages: Float32Array.from(join('advantages')),
    };
  };
  const samples = [
    beginning!,
    continueWith(40, endings[0]!),
    continueWith(40, endings[1]!),
    continueWith(40, endings[1]!),
    continueWith(1, endings[2]!),
    continueWith(55, endings[3]!),
    continueWith(62, endings[4]!),
    endings[3]!,
    beginning!,
  ];

  it('get the log-probabilities that they get alone, and together the sum of their gradients', async () => {
    const together = await engineOf(model, { threads: 1 });
    const apart = await engineOf(model, { threads: 1 });
    const loss: Loss = { name: 'cross_entropy' };
    const { logprobs } = await together.forwardBackward(samples, loss);
    for (const [i, sample] of samples.entries())
      expect((await apart.forwardBackward([sample], loss)).logprobs[0]).toEqual(logprobs[i]);
    const expected = await takeGradient(apart);
    for (const [name, values] of await takeGradient(together)) {
      const largest = Math.max(...values.map(Math.abs));
      for (const [i, value] of values.entries())
        expect(Math.abs(value - expected.get(name)![i]!), name).toBeLessThan(2e-6 * largest);
    }
  });
});

describe('kernels', () => {
  const model = naiveModel({
    seed: 21,
    tied: false,
    config: { hiddenSize: 48, intermediateSize: 100, vocabSize: 61, heads: 3, keyValueHeads: 1, headSize: 16 },
  });
  const samples = naiveSamples(model.config, model.weights, [60, 71, 18], 4);
  const train = async (kernels: Partial<LlamaEngineOptions>): Promise<Map<string, Float32Array>> => {
    const engine = await engineOf(model, kernels);
    for (let step = 0; step < 2; step++) {
      await engine.forwardBackward(samples, { name: 'ppo', clipLow: 0.8, clipHigh: 1.2 });
      await engine.optimStep({ learningRate: 1e-3, maxGradientNorm: 1 });
    }
    return engine.exportWeights();
  };

  it('train the same bit for bit with wide kernels as without, and with plain ones within rounding', async () => {
    const relaxed = await train({ simd: 'relaxed' });
    expect(await train({ simd: 'auto' })).toEqual(relaxed);
    expect(await train({ wideKernels: true })).toEqual(relaxed);
    for (const [name, values] of await train({ simd: 'plain' })) {
      for (const [i, value] of values.entries())
        expect(Math.abs(value - relaxed.get(name)![i]!), name).toBeLessThan(2e-5);
    }
  });
});

describe('a training call', () => {
  const model = naiveModel({ seed: 5, tied: true, config: { maxPositions: 16 } });
  const good = naiveSamples(model.config, model.weights, [6], 1)[0]!;
  const bad: readonly [string, TrainingSample][] = [
    [
      'Sample 1: tokens has 1 entries',
      {
        tokens: Int32Array.of(1),
        lossMask: Uint8Array.of(0),
        logprobs: Float32Array.of(0),
        advantages: Float32Array.of(0),
      },
    ],
    ['Sample 1: lossMask has 5 entries, tokens has 6', { ...good, lossMask: good.lossMask.slice(1) }],
    ['Sample 1: advantages has 7 entries', { ...good, advantages: new Float32Array(7) }],
    ['Sample 1: lossMask[0] is 1', { ...good, lossMask: good.lossMask.with(0, 1) }],
    ['Sample 1: lossMask[2] is 2', { ...good, lossMask: good.lossMask.with(2, 2) }],
    ['Sample 1: tokens[3] is 13', { ...good, tokens: good.tokens.with(3, 13) }],
    ['Sample 1: tokens[0] is -1', { ...good, tokens: good.tokens.with(0, -1) }],
    ['Sample 1: logprobs[4] is NaN', { ...good, logprobs: good.logprobs.with(4, NaN) }],
    ['Sample 1: advantages[5] is Infinity', { ...good, advantages: good.advantages.with(5, Infinity) }],
    [
      'Sample 1: tokens has 18 entries; this model takes at most 17',
      {
        tokens: new Int32Array(18),
        lossMask: new Uint8Array(18),
        logprobs: new Float32Array(18),
        advantages: new Float32Array(18),
      },
    ],
  ];

  it.each(bad)('refuses "%s"', async (message, sample) => {
    const engine = await engineOf(model, { threads: 1 });
    const expected = expect.objectContaining({ code: 'samples-invalid', message: expect.stringContaining(message) });
    await expect(engine.forwardBackward([good, sample], { name: 'importance_sampling' })).rejects.toEqual(expected);
    await expect(engine.forward([good, sample])).rejects.toEqual(expected);
  });

  it('refuses an empty batch, bounds that are not ordered, and hyperparameters that are no numbers', async () => {
    const engine = await engineOf(model, { threads: 1 });
    await expect(engine.forward([])).rejects.toMatchObject({ code: 'samples-invalid' });
    await expect(engine.forwardBackward([good], { name: 'ppo', clipLow: 1.2, clipHigh: 0.8 })).rejects.toMatchObject({
      code: 'loss-unsupported',
    });
    await expect(engine.optimStep({ learningRate: NaN })).rejects.toMatchObject({ code: 'option-invalid' });
  });

  it('takes a sample of as many tokens as there are positions and one, the last of which is only predicted', async () => {
    const engine = await engineOf(model);
    const [sample] = naiveSamples(model.config, model.weights, [17], 3);
    const expected = naiveLogprobs(model.config, model.weights, sample!.tokens);
    expect((await engine.forward([sample!]))[0]![16]).toBeCloseTo(expected[16]!, 5);
  });

  it('gives zeros for a sample without trained tokens', async () => {
    const engine = await engineOf(model);
    const silent = { ...good, lossMask: new Uint8Array(6) };
    const result = await engine.forwardBackward([silent], { name: 'cross_entropy' });
    expect(result).toEqual({ logprobs: [new Float32Array(6)], loss: 0, trainedTokens: 0 });
  });

  it('reports a loss that is not finite, keeps the weights and clears the gradient', async () => {
    const engine = await engineOf(model);
    const before = engine.exportWeights();
    const far: TrainingSample = {
      ...good,
      logprobs: good.logprobs.map((_, t) => (good.lossMask[t] ? -2000 : 0)),
      advantages: good.advantages.map((value) => -Math.abs(value) * 1e35),
    };
    await engine.forwardBackward([good], { name: 'cross_entropy' });
    await expect(engine.forwardBackward([far], { name: 'importance_sampling' })).rejects.toMatchObject({
      code: 'numerics',
    });
    expect((await engine.optimStep({ learningRate: 1 })).gradientNorm).toBe(0);
    expect(engine.exportWeights()).toEqual(before);
  });

  it('reports a gradient that is not finite at the step, keeps the weights and clears the gradient', async () => {
    const engine = await engineOf(model);
    const before = engine.exportWeights();
    const steep: TrainingSample = { ...good, advantages: good.advantages.map((value) => Math.fround(value * 3e37)) };
    await engine.forwardBackward([steep], { name: 'cross_entropy' });
    await engine.forwardBackward([steep], { name: 'cross_entropy' });
    for (let i = 0; i < 20; i++) await engine.forwardBackward([steep], { name: 'cross_entropy' });
    await expect(engine.optimStep({ learningRate: 1 })).rejects.toMatchObject({ code: 'numerics' });
    expect(engine.exportWeights()).toEqual(before);
    expect(await takeGradient(engine)).toEqual(
      new Map([...before].map(([name, values]) => [name, new Float32Array(values.length)])),
    );
  });

  it('refuses models and weights that it cannot hold', async () => {
    const weights = toFloat32(model.weights);
    const create = (config: Partial<LlamaConfig>, given = weights): Promise<LlamaEngine> =>
      LlamaEngine.create({ config: { ...model.config, ...config }, weights: given, threads: 1 });
    await expect(create({ headSize: 12 })).rejects.toMatchObject({
      code: 'checkpoint-unsupported',
      message: expect.stringContaining('headSize is 12'),
    });
    await expect(create({ keyValueHeads: 3 })).rejects.toMatchObject({ code: 'checkpoint-unsupported' });
    await expect(create({ layers: 3 })).rejects.toMatchObject({
      code: 'checkpoint-unsupported',
      message: expect.stringContaining('model.layers.2.'),
    });
    await expect(create({}, new Map([...weights, ['extra', new Float32Array(1)]]))).rejects.toMatchObject({
      code: 'checkpoint-unsupported',
    });
    await expect(LlamaEngine.create({ config: model.config, weights, threads: 0 })).rejects.toMatchObject({
      code: 'option-invalid',
    });
  });
});
