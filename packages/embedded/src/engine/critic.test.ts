import { readFileSync } from 'node:fs';
import type { AdamParameters, TrainingSample } from '@agent-lightning/core';
import { afterEach, describe, expect, it } from 'vitest';
import {
  naiveLogprobs,
  naiveModel,
  naiveSamples,
  naiveValues,
  randomStream,
  toFloat32,
} from '../../test/naive-llama.ts';
import type { LlamaConfig } from '../model/llama-config.ts';
import { parameterShapes } from '../model/parameter-shapes.ts';
import type { LlamaEngineOptions, ValueLoss } from './engine-types.ts';
import { LlamaEngine } from './llama-engine.ts';

const engines: LlamaEngine[] = [];
afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.close()));
});

const model = naiveModel({ seed: 7, tied: true });
const samples = naiveSamples(model.config, model.weights, [5, 14, 2, 9], 11);
const random = randomStream(5);
const head = Float32Array.from({ length: model.config.hiddenSize + 1 }, () => 4 * random() - 2);
const valueLoss: ValueLoss = {
  targets: samples.map(({ tokens }) => Float32Array.from(tokens, () => 2 * random())),
  weights: samples.map(({ tokens }) => Float32Array.from(tokens, () => random())),
  trunkWeight: 0.5,
};
const loss = { name: 'cross_entropy' } as const;

async function engineOf(options?: Partial<LlamaEngineOptions>): Promise<LlamaEngine> {
  const { config, weights } = model;
  const engine = await LlamaEngine.create({ config, weights: toFloat32(weights), threads: 2, ...options });
  engines.push(engine);
  return engine;
}

async function engineWithCritic(options?: Partial<LlamaEngineOptions>): Promise<LlamaEngine> {
  const engine = await engineOf(options);
  const zeros = (): Float32Array => new Float32Array(head.length);
  engine.loadCritic({ weights: head, moments1: zeros(), moments2: zeros(), step: 1 });
  return engine;
}

/** ½ Σ w·(V − R)² of the naive model, in float64. */
function naiveValueLoss(of: ArrayLike<number>): number {
  return samples.reduce((total, { tokens, lossMask }, i) => {
    const values = naiveValues(model.config, model.weights, of, tokens);
    return values.reduce(
      (sum, value, t) =>
        sum + (lossMask[t] === 1 ? 0.5 * valueLoss.weights[i]![t]! * (value - valueLoss.targets[i]![t]!) ** 2 : 0),
      total,
    );
  }, 0);
}

/** −Σ A·lp of the naive model, plus the share of the critic's loss that reaches the model. */
function naiveTotal(): number {
  const policy = samples.reduce((total, { tokens, lossMask, advantages }) => {
    const now = naiveLogprobs(model.config, model.weights, tokens);
    return now.reduce((sum, lp, t) => sum - (lossMask[t] === 1 ? advantages[t]! * lp : 0), total);
  }, 0);
  return policy + valueLoss.trunkWeight * naiveValueLoss(head);
}

/** d f / d values[index] by central differences in float64. */
function differentiate(f: () => number, values: Float64Array, index: number): number {
  const [old, step] = [values[index]!, 1e-5];
  values[index] = old + step;
  const above = f();
  values[index] = old - step;
  const below = f();
  values[index] = old;
  return (above - below) / (2 * step);
}

describe('the critic', () => {
  it('gives 0 before it was trained, and the values of a naive float64 implementation afterwards', async () => {
    const [fresh, engine] = [await engineOf(), await engineWithCritic()];
    for (const values of await fresh.values(samples)) expect(values.every((value) => value === 0)).toBe(true);
    const values = await engine.values(samples);
    for (const [i, { tokens, lossMask }] of samples.entries()) {
      const expected = naiveValues(model.config, model.weights, head, tokens);
      expected.forEach((value, t) => expect(values[i]![t]).toBeCloseTo(lossMask[t] === 1 ? value : 0, 5));
    }
  });

  it('has the gradient of finite differences in float64, in its head and in the model', async () => {
    const engine = await engineWithCritic();
    const result = await engine.forwardBackward(samples, loss, valueLoss);
    expect(result.valueLoss).toBeCloseTo(naiveValueLoss(head), 5);
    await engine.optimStep({ learningRate: 0, beta1: 0 }); // the first moment is then the gradient
    const gradient = engine.exportOptimizer().moments1;
    for (const [name, values] of model.weights) {
      const largest = Math.max(...gradient.get(name)!.map(Math.abs), 1e-3);
      for (const index of [Math.floor(values.length / 3), values.length - 1]) {
        const error = Math.abs(gradient.get(name)![index]! - differentiate(naiveTotal, values, index));
        expect(error / largest, `${name}[${index}]`).toBeLessThan(2e-5);
      }
    }
    const own = engine.exportCritic()!.moments1;
    const float64 = Float64Array.from(head);
    for (const index of own.keys())
      expect(own[index]).toBeCloseTo(
        differentiate(() => naiveValueLoss(float64), float64, index),
        5,
      );
  });

  it('that learns alone changes no weight of the policy, bit for bit', async () => {
    const [alone, without] = [await engineWithCritic(), await engineOf()];
    for (let step = 0; step < 2; step += 1) {
      const adam = { learningRate: 0.01, maxGradientNorm: 0.1 };
      await alone.forwardBackward(samples, loss, { ...valueLoss, trunkWeight: 0 });
      await without.forwardBackward(samples, loss);
      expect(await alone.optimStep(adam, 0.05)).toEqual(await without.optimStep(adam));
    }
    expect(alone.exportWeights()).toEqual(without.exportWeights());
    expect(alone.exportCritic()!.weights).not.toEqual(head);
  });

  it('learns what its targets are', async () => {
    const engine = await engineOf();
    const losses: number[] = [];
    for (let step = 0; step < 200; step += 1) {
      const result = await engine.forwardBackward(samples, { name: 'cross_entropy' }, { ...valueLoss, trunkWeight: 0 });
      losses.push(result.valueLoss!);
      await engine.optimStep({ learningRate: 0 }, 0.05);
    }
    const mean = (of: readonly number[]): number => of.reduce((sum, value) => sum + value, 0) / of.length;
    expect(mean(losses.slice(-10))).toBeLessThan(0.5 * losses[0]!);
  });

  it('gives the same on one thread as on three, and over several calls as in one', async () => {
    const heads: Float32Array[] = [];
    for (const [threads, parts] of [
      [1, [[0, 4]]],
      [3, [[0, 4]]],
      [
        2,
        [
          [0, 1],
          [1, 4],
        ],
      ],
    ] as const) {
      const engine = await engineWithCritic({ threads });
      for (const [first, end] of parts) {
        const { targets, weights, trunkWeight } = valueLoss;
        const part = { targets: targets.slice(first, end), weights: weights.slice(first, end), trunkWeight };
        await engine.forwardBackward(samples.slice(first, end), loss, part);
      }
      await engine.optimStep({ learningRate: 0, beta1: 0 });
      heads.push(engine.exportCritic()!.moments1);
    }
    const [expected, ...others] = heads;
    for (const other of others) expected!.forEach((value, index) => expect(other[index]).toBeCloseTo(value, 6));
  });

  it('drops both gradients when its loss is not finite', async () => {
    const engine = await engineWithCritic();
    await engine.forwardBackward(samples, loss, valueLoss);
    const targets = valueLoss.targets.map((list) => list.map(() => 3e38));
    await expect(engine.forwardBackward(samples, loss, { ...valueLoss, targets })).rejects.toMatchObject({
      code: 'numerics',
      message: expect.stringMatching(/The critic's loss is/),
    });
    expect((await engine.optimStep({ learningRate: 1 }, 1)).gradientNorm).toBe(0);
    expect(engine.exportCritic()!.weights).toEqual(head);
  });

  it('refuses a state of another width', async () => {
    const engine = await engineOf();
    const three = new Float32Array(3);
    expect(() => engine.loadCritic({ weights: three, moments1: three, moments2: three, step: 1 })).toThrow(
      /The critic's weights have 3 numbers; this model's 17/,
    );
  });
});

/** Three steps of PyTorch, by tools/reference/make_critic_fixture.py. Tensors are base64 of little-endian float32. */
interface Case {
  readonly name: string;
  readonly config: LlamaConfig;
  readonly weightSeed: number;
  readonly adam: AdamParameters;
  readonly trunkWeight: number;
  readonly criticLearningRate: number;
  readonly rows: readonly Record<keyof TrainingSample, readonly number[]>[];
  readonly targets: readonly (readonly number[])[];
  readonly weights: readonly (readonly number[])[];
  readonly steps: readonly {
    readonly loss: number;
    readonly valueLoss: number;
    readonly gradientNorm: number;
    readonly values: readonly (readonly number[])[];
    readonly head: readonly number[];
  }[];
  readonly trained: Readonly<Record<string, string>>;
}

const { cases } = JSON.parse(
  readFileSync(new URL('../../test/__fixtures__/critic-steps.json', import.meta.url), 'utf8'),
) as { readonly cases: readonly Case[] };

describe.each(cases)('three steps of policy and critic with $name', (fixture) => {
  it('agree with PyTorch: values, losses, norms, head and weights', async () => {
    const stream = randomStream(fixture.weightSeed);
    const weights = new Map(
      [...parameterShapes(fixture.config)].map(([name, shape]) => {
        const length = shape.reduce((product: number, size) => product * size, 1);
        return [name, Float32Array.from({ length }, () => (name.includes('norm') ? 1 : 0) + 0.5 * (stream() - 0.5))];
      }),
    );
    const engine = await engineOf({ config: fixture.config, weights });
    const rows: TrainingSample[] = fixture.rows.map((row) => ({
      tokens: Int32Array.from(row.tokens),
      lossMask: Uint8Array.from(row.lossMask),
      logprobs: Float32Array.from(row.logprobs),
      advantages: Float32Array.from(row.advantages),
    }));
    const critic: ValueLoss = {
      targets: fixture.targets.map((list) => Float32Array.from(list)),
      weights: fixture.weights.map((list) => Float32Array.from(list)),
      trunkWeight: fixture.trunkWeight,
    };
    for (const step of fixture.steps) {
      const values = await engine.values(rows);
      step.values.forEach((list, i) => list.forEach((value, t) => expect(values[i]![t]).toBeCloseTo(value, 5)));
      const result = await engine.forwardBackward(rows, { name: 'ppo', clipLow: 0.8, clipHigh: 1.2 }, critic);
      expect(result.loss).toBeCloseTo(step.loss, 4);
      expect(result.valueLoss! / step.valueLoss).toBeCloseTo(1, 5);
      const { gradientNorm } = await engine.optimStep(fixture.adam, fixture.criticLearningRate);
      expect(gradientNorm / step.gradientNorm).toBeCloseTo(1, 5);
      step.head.forEach((value, index) => expect(engine.exportCritic()!.weights[index]).toBeCloseTo(value, 5));
    }
    const trained = engine.exportWeights();
    for (const [name, text] of Object.entries(fixture.trained)) {
      const expected = new Float32Array(new Uint8Array(Buffer.from(text, 'base64')).buffer);
      trained.get(name)!.forEach((value, index) => expect(value, `${name}[${index}]`).toBeCloseTo(expected[index]!, 5));
    }
  });
});
