/** Promises about samples of a temperature: what is scored and trained is the distribution that was sampled from. */
import type { Loss, TrainablePolicy, TrainingBackend, TrainingSample } from '@agent-lightning/core';
import { LightningError } from '@agent-lightning/core';
import { afterAll, beforeAll, beforeEach, describe, expect, it, type TestContext } from 'vitest';

import { choosable, flatten, largestGap, makeSamples, type SuiteContext } from './backend-fixture.ts';
import { collectGeneration, toSample } from './collect-generation.ts';
import { openPolicyPair, type PolicyPair } from './policy-pair.ts';

const temperatures = [0.5, 0.7, 1.3] as const;
const crossEntropy: Loss = { name: 'cross_entropy' };
const context = [1, 2, 3] as const;

/** Tests of `temperature`, where the backend has it; else, that it is refused. */
export function describeTemperature({ open, tolerance }: SuiteContext): void {
  let pair: PolicyPair;
  let backend: TrainingBackend;
  let policy: TrainablePolicy;
  let twin: TrainablePolicy;
  let vocabularySize: number;
  let hasTemperature: boolean;

  beforeAll(async () => {
    pair = await openPolicyPair(open);
    ({ policy, twin } = pair);
    ({ backend, vocabularySize } = pair.fixture);
    hasTemperature = (await backend.capabilities()).hasTemperature === true;
  });
  beforeEach(() => pair.reset());
  afterAll(() => pair?.close());

  /** Every token after one context, weighted. */
  const everyToken = (weightOf: (token: number) => number): readonly TrainingSample[] =>
    Array.from({ length: vocabularySize }, (_, token) => ({
      tokens: Int32Array.of(...context, token),
      lossMask: Uint8Array.of(0, 0, 0, 1),
      logprobs: Float32Array.of(0, 0, 0, -1),
      advantages: Float32Array.of(0, 0, 0, weightOf(token)),
    }));
  const distribution = async (temperature?: number): Promise<readonly number[]> => {
    const samples = everyToken(() => 1).map((sample) => ({ ...sample, ...(temperature && { temperature }) }));
    return (await policy.forward(samples)).map((values) => values[context.length]!);
  };

  it('refuses samples of another temperature than 1 where it does not have it, by name', async () => {
    if (hasTemperature) return;
    const sample = { ...makeSamples(vocabularySize, 1, 2)[0]!, temperature: 0.7 };
    const refusal = { code: 'samples-invalid', message: expect.stringContaining('temperature is 0.7') };
    await expect(policy.forward([sample])).rejects.toMatchObject(refusal);
    await expect(policy.forwardBackward([sample], crossEntropy)).rejects.toMatchObject(refusal);
  });

  describe.each(temperatures)('at %d', (temperature) => {
    beforeEach((test: TestContext) => {
      if (!hasTemperature) test.skip('this backend scores at temperature 1 only');
    });

    it('gives what was sampled the log-probabilities with which it was sampled, as long as nothing was trained', async (test) => {
      const snapshot = await policy.publish(1);
      if (snapshot.kind !== 'engine') return test.skip(`snapshots of kind '${snapshot.kind}' are sampled over HTTP`);
      const request = { input: { messages: pair.fixture.messages }, maxTokens: 24, seed: 3, choices: 3, temperature };
      const { prompt, choices } = await collectGeneration(snapshot.engine, request);
      const samples = choices.map((choice) => ({ ...toSample(prompt, choice), temperature }));
      const sampled = samples.map(({ logprobs }) => logprobs);
      const { logprobs } = await policy.forwardBackward(samples, { name: 'importance_sampling' });
      expect(largestGap(logprobs, sampled)).toBeLessThan(tolerance);
      expect(largestGap(await policy.forward(samples), sampled)).toBeLessThan(tolerance);
      const base = await policy.forwardBase(samples).catch((error: unknown) => error);
      if (LightningError.isInstance(base)) return expect(base.code).toBe('option-unsupported');
      expect(largestGap(base as readonly Float32Array[], sampled)).toBeLessThan(tolerance);
    });

    it('scores the logits over the temperature, normalised', async () => {
      const expected = temper(await distribution(), temperature);
      expect(largestGap([Float32Array.from(await distribution(temperature))], [expected])).toBeLessThan(tolerance);
    });

    it('scores each sample of a batch at its own', async () => {
      const [first, second] = makeSamples(vocabularySize, 2, 5) as [TrainingSample, TrainingSample];
      const mixed = await policy.forward([{ ...first, temperature }, second]);
      const alone = [...(await policy.forward([{ ...first, temperature }])), ...(await policy.forward([second]))];
      expect(largestGap(mixed, alone)).toBeLessThan(tolerance);
      expect(largestGap([mixed[0]!], await policy.forward([first]))).toBeGreaterThan(100 * tolerance);
    });

    it('has the gradient of the logits over the temperature', async () => {
      const token = 5;
      const probabilities = temper(await distribution(), temperature).map(Math.exp);
      // ∇ log softmax(z/τ)_a = (∇ log p_a − Σ_v softmax(z/τ)_v ∇ log p_v) / τ, which is a cross entropy at temperature 1.
      const weightOf = (other: number): number => ((other === token ? 1 : 0) - probabilities[other]!) / temperature;
      const sample = { ...everyToken(() => 1)[token]!, temperature };
      const { entropy } = await policy.forwardBackward([sample], crossEntropy);
      await twin.forwardBackward(everyToken(weightOf), crossEntropy);
      const adam = choosable({ learningRate: 0.1, epsilon: 1 }, await backend.capabilities());
      const steps = await Promise.all([policy, twin].map((one) => one.optimStep(adam)));
      const norms = steps.flatMap(({ gradientNorm }) => gradientNorm ?? []);
      if (norms.length === 2) expect(norms[0]! / norms[1]!).toBeCloseTo(1, 3);
      const [moved, same] = [await policy.forward([sample]), await twin.forward([sample])];
      expect(largestGap(moved, same)).toBeLessThan(10 * tolerance);
      if (entropy !== undefined) expect(entropy).toBeCloseTo(entropyOf(probabilities), 3);
    });
  });
}

/** Returns log softmax(log p / τ). */
function temper(logprobs: readonly number[], temperature: number): Float32Array {
  const sum = logprobs.reduce((total, value) => total + Math.exp(value / temperature), 0);
  return Float32Array.from(logprobs, (value) => value / temperature - Math.log(sum));
}

function entropyOf(probabilities: Float32Array): number {
  return flatten([probabilities]).reduce((sum, value) => (value > 0 ? sum - value * Math.log(value) : sum), 0);
}
