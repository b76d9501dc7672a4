/** Promises about losses, gradients and optimizer steps. */
import {
  LightningError,
  lossAndDerivative,
  toSurrogateSample,
  type BackendCapabilities,
  type Loss,
  type TrainablePolicy,
  type TrainingBackend,
  type TrainingSample,
} from '@agent-lightning/core';
import { afterAll, beforeAll, beforeEach, describe, expect, it, type TestContext } from 'vitest';

import { choosable, largestGap, makeSamples, train, type SuiteContext } from './backend-fixture.ts';
import { openPolicyPair, type PolicyPair } from './policy-pair.ts';

const everyLoss: readonly Loss[] = [
  { name: 'importance_sampling' },
  { name: 'ppo', clipLow: 0.8, clipHigh: 1.2 },
  { name: 'ppo', clipLow: 0.8, clipHigh: 1.2, dualClip: 1.3 },
  { name: 'cispo', clipLow: 0.8, clipHigh: 1.2 },
  { name: 'cross_entropy' },
];
const crossEntropy: Loss = { name: 'cross_entropy' };

/** Tests of `forward`, `forwardBase`, `forwardBackward` and `optimStep`. */
export function describeTraining({ open, tolerance }: SuiteContext): void {
  let pair: PolicyPair;
  let backend: TrainingBackend;
  let policy: TrainablePolicy;
  let twin: TrainablePolicy;
  let samples: readonly TrainingSample[];
  let vocabularySize: number;

  beforeAll(async () => {
    pair = await openPolicyPair(open);
    ({ policy, twin } = pair);
    ({ backend, vocabularySize } = pair.fixture);
    samples = makeSamples(vocabularySize, 4, 1);
  });
  beforeEach(() => pair.reset());
  afterAll(() => pair?.close());

  describe('forward', () => {
    it('gives log-probabilities where the mask is 1, and 0 elsewhere', async () => {
      const logprobs = await policy.forward(samples);
      expect(logprobs.map((values) => values.length)).toEqual(samples.map((sample) => sample.tokens.length));
      logprobs.forEach((values, index) =>
        values.forEach((value, t) => {
          if (samples[index]?.lossMask[t] === 1) expect(value).toBeLessThan(0);
          else expect(value).toBe(0);
        }),
      );
    });

    it('predicts a token from the tokens before it only', async () => {
      const changed = samples.map((sample) => ({
        ...sample,
        tokens: sample.tokens.with(-1, ((sample.tokens.at(-1) ?? 0) + 1) % vocabularySize),
      }));
      const withoutLast = (lists: readonly Float32Array[]): Float32Array[] =>
        lists.map((values) => values.subarray(0, -1));
      expect(
        largestGap(withoutLast(await policy.forward(samples)), withoutLast(await policy.forward(changed))),
      ).toBeLessThan(tolerance);
    });

    it('gives a sample the same values whatever samples stand beside it', async () => {
      const alone = await Promise.all(
        samples.map(async (sample) => (await policy.forward([sample]))[0] ?? new Float32Array()),
      );
      expect(largestGap(await policy.forward(samples), alone)).toBeLessThan(tolerance);
    });

    it('leaves its input as it was', async () => {
      const before = structuredClone(samples);
      await policy.forwardBackward(samples, { name: 'importance_sampling' });
      expect(samples).toEqual(before);
    });
  });

  describe.each(everyLoss)('%j', (loss) => {
    it('is the documented sum over tokens, or is rejected as unsupported', async () => {
      if (!honours(await backend.capabilities(), loss)) {
        await expect(policy.forwardBackward(samples, loss)).rejects.toMatchObject({ code: 'loss-unsupported' });
        return;
      }
      const now = await policy.forward(samples);
      const result = await policy.forwardBackward(samples, loss);
      const expected = samples.reduce(
        (sum, sample, index) => sum + lossAndDerivative(sample, now[index] ?? [], loss).loss,
        0,
      );
      expect(result.loss).toBeCloseTo(expected, 3);
      expect(result.trainedTokens).toBe(
        samples.reduce((sum, sample) => sum + sample.lossMask.reduce((ones, mask) => ones + mask, 0), 0),
      );
      expect(largestGap(result.logprobs, now)).toBeLessThan(tolerance);
    });

    it('has the gradient of its derivative', async () => {
      const capabilities = await backend.capabilities();
      if (!honours(capabilities, loss) || !capabilities.losses.includes('cross_entropy')) return;
      const now = await policy.forward(samples);
      const surrogate = samples.map((sample, index) =>
        toSurrogateSample(sample, lossAndDerivative(sample, now[index] ?? [], loss).derivative),
      );
      await policy.forwardBackward(samples, loss);
      await twin.forwardBackward(surrogate, crossEntropy);
      // A large epsilon keeps Adam's update proportional to the gradient, so that its length is compared too.
      const adam = choosable({ learningRate: 0.1, epsilon: 1 }, capabilities);
      const [step, referenceStep] = await Promise.all([policy, twin].map((one) => one.optimStep(adam)));
      expectSameNorm(step, referenceStep, 3);
      expect(largestGap(await policy.forward(samples), await twin.forward(samples))).toBeLessThan(10 * tolerance);
    });
  });

  it('stays finite under ppo where policy and sampler disagree beyond measure', async () => {
    const { losses } = await backend.capabilities();
    if (!losses.includes('ppo')) return;
    const unlikely = samples.map((sample) => ({
      ...sample,
      logprobs: sample.logprobs.map((_, t) => (sample.lossMask[t] === 0 ? 0 : -200)),
      advantages: Float32Array.from(sample.lossMask),
    }));
    const { loss, trainedTokens } = await policy.forwardBackward(unlikely, {
      name: 'ppo',
      clipLow: 0.8,
      clipHigh: 1.2,
    });
    expect(loss).toBeCloseTo(-1.2 * trainedTokens, 3);
    const before = await policy.forward(samples);
    await policy.optimStep({ learningRate: 0.1 });
    expect(largestGap(await policy.forward(samples), before)).toBe(0); // each token is clipped: the gradient is 0, not NaN
  });

  it('scores what an optimizer step did, or says that it cannot', async () => {
    const { scoresUpdates = true } = await backend.capabilities();
    if (!scoresUpdates) return;
    const before = await policy.forward(samples);
    await policy.forwardBackward(samples, crossEntropy);
    await policy.optimStep({ learningRate: 0.01 });
    const after = await policy.forward(samples);
    expect(largestGap(after, before)).toBeGreaterThan(0);
    expect(largestGap((await policy.forwardBackward(samples, crossEntropy)).logprobs, after)).toBeLessThan(tolerance);
  });

  describe('forwardBackward', () => {
    it('accumulates: several calls are one call with all samples', async () => {
      await policy.forwardBackward(samples.slice(0, 1), crossEntropy);
      await policy.forwardBackward(samples.slice(1), crossEntropy);
      await twin.forwardBackward(samples, crossEntropy);
      const adam = choosable({ learningRate: 0.1, epsilon: 1 }, await backend.capabilities());
      const [split, once] = await Promise.all([policy, twin].map((one) => one.optimStep(adam)));
      expectSameNorm(split, once, 4);
      expect(largestGap(await policy.forward(samples), await twin.forward(samples))).toBeLessThan(10 * tolerance);
    });

    it('takes a sample in which nothing is trained', async () => {
      const silent = samples.map((sample) => ({
        ...sample,
        lossMask: new Uint8Array(sample.tokens.length),
        logprobs: sample.logprobs.map(() => 0),
        advantages: sample.advantages.map(() => 0),
      }));
      expect(await policy.forwardBackward(silent, crossEntropy)).toMatchObject({ loss: 0, trainedTokens: 0 });
      expect(await policy.optimStep({ learningRate: 0.1 })).toMatchObject({ step: 1 });
      await expectNoGradient(policy);
    });

    it('makes weighted tokens more likely', async () => {
      const positive = samples.map((sample) => ({ ...sample, advantages: Float32Array.from(sample.lossMask) }));
      const { loss } = await policy.forwardBackward(positive, crossEntropy);
      await policy.optimStep({ learningRate: 0.005 });
      await train(policy, positive, 4, 0.005);
      expect((await policy.forwardBackward(positive, crossEntropy)).loss).toBeLessThan(loss);
    });

    it('names a loss that it does not know', async () => {
      await expect(policy.forwardBackward(samples, { name: 'hinge' } as unknown as Loss)).rejects.toMatchObject({
        code: 'loss-unsupported',
      });
    });

    it('names a loss that is not finite, and keeps neither it nor its gradient', async () => {
      const before = await policy.forward(samples);
      await expectNumerics(policy, samples);
      await expectNoGradient(policy);
      expect(await policy.forward(samples)).toEqual(before);
    });

    it('drops with such a pass what earlier ones accumulated, and no pass that comes after', async () => {
      await policy.forwardBackward(makeSamples(vocabularySize, 2, 3), crossEntropy);
      await expectNumerics(policy, samples);
      for (const one of [policy, twin]) await one.forwardBackward(samples, crossEntropy);
      const adam = choosable({ learningRate: 0.1, epsilon: 1 }, await backend.capabilities());
      const [step, referenceStep] = await Promise.all([policy, twin].map((one) => one.optimStep(adam)));
      expectSameNorm(step, referenceStep, 5);
      expect(largestGap(await policy.forward(samples), await twin.forward(samples))).toBeLessThan(tolerance);
    });

    it('takes no step on the part that is left when one of several passes fails, also when the step is already asked for', async () => {
      const before = await policy.forward(samples);
      const [, , step] = await Promise.all([
        policy.forwardBackward(samples, crossEntropy),
        expectNumerics(policy, samples),
        policy.optimStep({ learningRate: 0.1 }),
      ]);
      expect(step.gradientNorm ?? 0).toBe(0);
      expect(await policy.forward(samples)).toEqual(before);
    });

    it('takes no step on what a failed pass left, or refuses to go on until a state is loaded', async () => {
      const before = await policy.forward(samples);
      await Promise.allSettled([expectNumerics(policy, samples), policy.optimStep({ learningRate: 0.1 })]);
      const after = await policy.forward(samples).catch((error: unknown) => error);
      if (!LightningError.isInstance(after)) return expect(after).toEqual(before);
      expect(after.code).toBe('session-lost');
      await pair.reset();
      expect(await policy.forward(samples)).toEqual(before);
    });
  });

  describe('samples that are not right', () => {
    const first = (): TrainingSample => makeSamples(vocabularySize, 1, 2)[0] as TrainingSample;
    const cases: Readonly<Record<string, () => Promise<TrainingSample> | TrainingSample>> = {
      'a single token': () => ({
        tokens: Int32Array.of(1),
        lossMask: Uint8Array.of(0),
        logprobs: Float32Array.of(0),
        advantages: Float32Array.of(0),
      }),
      'a mask of another length': () => ({ ...first(), lossMask: first().lossMask.slice(1) }),
      'advantages of another length': () => ({ ...first(), advantages: first().advantages.slice(1) }),
      'a token beyond the vocabulary': () => ({ ...first(), tokens: first().tokens.with(1, vocabularySize) }),
      'a negative token': () => ({ ...first(), tokens: first().tokens.with(1, -1) }),
      'a mask that trains the first token': () => ({ ...first(), lossMask: first().lossMask.with(0, 1) }),
      'an advantage that is not a number': () => ({ ...first(), advantages: first().advantages.with(-1, Number.NaN) }),
      'a temperature of 0': () => ({ ...first(), temperature: 0 }),
      'a temperature that is not a number': () => ({ ...first(), temperature: Number.NaN }),
      'an infinite log-probability': () => ({ ...first(), logprobs: first().logprobs.with(-1, -Infinity) }),
      'more tokens than a sample may have': async () => {
        const length = (await backend.capabilities()).maxSampleTokens + 1;
        return {
          tokens: new Int32Array(length),
          lossMask: new Uint8Array(length),
          logprobs: new Float32Array(length),
          advantages: new Float32Array(length),
        };
      },
    };
    it.each(Object.keys(cases))('refuses %s and goes on working', async (name) => {
      const bad = (await cases[name]?.()) as TrainingSample;
      await expect(policy.forwardBackward([...samples, bad], { name: 'importance_sampling' })).rejects.toMatchObject({
        code: 'samples-invalid',
      });
      await expectNoGradient(policy);
      expect(await policy.forward(samples)).toHaveLength(samples.length);
    });
  });

  describe('optimStep', () => {
    it('clears the gradient and counts its steps', async () => {
      await policy.forwardBackward(samples, crossEntropy);
      expect(await policy.optimStep({ learningRate: 0.001 })).toMatchObject({ step: 1 });
      expect(await expectNoGradient(policy)).toMatchObject({ step: 2 });
    });

    it('changes nothing at a learning rate of 0', async () => {
      const before = await policy.forward(samples);
      await policy.forwardBackward(samples, crossEntropy);
      await policy.optimStep({ learningRate: 0 });
      expect(await policy.forward(samples)).toEqual(before);
    });

    it.each([
      { beta1: 0.5 },
      { beta2: 0.5 },
      { epsilon: 0.5 },
      { weightDecay: 5 },
      { maxGradientNorm: 1e-6, epsilon: 1e-4 },
    ])('honours %o or rejects it', async (change) => {
      const steps = async (one: TrainablePolicy, adam: object): Promise<readonly Float32Array[]> => {
        for (const seed of [3, 4]) {
          await one.forwardBackward(makeSamples(vocabularySize, 2, seed), crossEntropy);
          await one.optimStep({ learningRate: 0.01, ...adam });
        }
        return one.forward(samples);
      };
      // The first field is the one under test.
      const without = await steps(
        twin,
        choosable(Object.fromEntries(Object.entries(change).slice(1)), await backend.capabilities()),
      );
      const outcome = await steps(policy, change).catch((error: unknown) => error);
      if (outcome instanceof Error) expect(outcome).toMatchObject({ code: 'option-unsupported' });
      else expect(largestGap(outcome as readonly Float32Array[], without)).toBeGreaterThan(10 * tolerance);
    });

    it.each([
      { learningRate: Number.NaN },
      { learningRate: -1 },
      { learningRate: 0.1, beta1: 1 },
      { learningRate: 0.1, epsilon: -1 },
      { learningRate: 0.1, maxGradientNorm: Number.NaN },
    ])('refuses %o and changes nothing', async (adam) => {
      const before = await policy.forward(samples);
      await policy.forwardBackward(samples, crossEntropy);
      await expect(policy.optimStep(adam)).rejects.toMatchObject({ code: 'option-invalid' });
      expect(await policy.forward(samples)).toEqual(before);
    });

    it('reports the gradient before clipping', async (context: TestContext) => {
      for (const one of [policy, twin]) await one.forwardBackward(samples, crossEntropy);
      const { gradientNorm } = await policy.optimStep({ learningRate: 0 });
      if (gradientNorm === undefined) return context.skip('this backend reports no gradient norm');
      const clipped = { learningRate: 0, maxGradientNorm: gradientNorm / 10 };
      const outcome = await twin.optimStep(clipped).catch((error: unknown) => error);
      if (LightningError.isInstance(outcome)) expect(outcome.code).toBe('option-unsupported');
      else expect(outcome).toMatchObject({ gradientNorm: expect.closeTo(gradientNorm, 5) });
    });
  });

  it('keeps the order of calls that are made without waiting', async () => {
    const before = await twin.forward(samples);
    await train(twin, samples, 1);
    const after = await twin.forward(samples);
    const calls = await Promise.all([
      policy.forward(samples),
      policy.forwardBackward(samples, crossEntropy),
      policy.optimStep({ learningRate: 0.02 }),
      policy.forward(samples),
    ]);
    expect(largestGap(calls[0], before)).toBe(0);
    expect(largestGap(calls[3], after)).toBeLessThan(tolerance);
  });

  it('keeps the base model frozen, or says that it has none', async () => {
    const before = await policy.forward(samples);
    const base = await policy.forwardBase(samples).catch((error: unknown) => error);
    if (LightningError.isInstance(base)) return expect(base.code).toBe('option-unsupported');
    expect(largestGap(base as readonly Float32Array[], before)).toBeLessThan(tolerance);
    await train(policy, samples);
    expect(largestGap(await policy.forwardBase(samples), before)).toBeLessThan(tolerance);
  });

  it('keeps policies apart', async () => {
    const before = await policy.forward(samples);
    await train(policy, samples);
    expect(largestGap(await policy.forward(samples), before)).toBeGreaterThan(10 * tolerance);
    expect(largestGap(await twin.forward(samples), before)).toBeLessThan(tolerance);
  });
}

/** Runs a pass whose loss is too large for a number, and expects `numerics`. */
async function expectNumerics(policy: TrainablePolicy, samples: readonly TrainingSample[]): Promise<void> {
  // Ratios of e^20 with these advantages are more than a float32 holds.
  const exploding = samples.map((sample) => ({
    ...sample,
    logprobs: Float32Array.from(sample.lossMask, (mask) => -200 * mask),
    advantages: Float32Array.from(sample.lossMask, (mask) => 3e38 * mask),
  }));
  const failing = policy.forwardBackward(exploding, { name: 'importance_sampling' });
  await expect(failing).rejects.toMatchObject({ code: 'numerics' });
}

/** Tells whether a backend computes a loss by itself. */
function honours({ losses, dualClip }: BackendCapabilities, loss: Loss): boolean {
  return losses.includes(loss.name) && (loss.name !== 'ppo' || loss.dualClip === undefined || dualClip === true);
}

/** Expects equal gradient norms to some digits, where the backend reports them. */
function expectSameNorm(
  left: Awaited<ReturnType<TrainablePolicy['optimStep']>> | undefined,
  right: Awaited<ReturnType<TrainablePolicy['optimStep']>> | undefined,
  digits: number,
): void {
  if (left?.gradientNorm === undefined || right?.gradientNorm === undefined) return;
  expect(left.gradientNorm).toBeGreaterThan(0);
  expect(left.gradientNorm / right.gradientNorm).toBeCloseTo(1, digits);
}

/** Expects that a step finds no gradient: its norm is 0, where the backend reports one. */
async function expectNoGradient(policy: TrainablePolicy): Promise<Awaited<ReturnType<TrainablePolicy['optimStep']>>> {
  const result = await policy.optimStep({ learningRate: 0 });
  expect(result.gradientNorm ?? 0).toBe(0);
  return result;
}
