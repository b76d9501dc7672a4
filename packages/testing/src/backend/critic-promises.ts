/** Promises about the critic of a policy, and about its refusal where a backend has none. */
import type { backendChecks, TrainablePolicy, TrainingSample } from '@agent-lightning/core';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it, type TestContext } from 'vitest';

import { largestGap, makeSamples, type SuiteContext } from './backend-fixture.ts';
import { openPolicyPair, type PolicyPair } from './policy-pair.ts';

type ValueLoss = Parameters<typeof backendChecks.valueLoss>[0];

const crossEntropy = { name: 'cross_entropy' } as const;

/** Tests of `values`, and of a value loss beside a loss. */
export function describeCritic({ open, tolerance }: SuiteContext): void {
  let pair: PolicyPair;
  let policy: TrainablePolicy;
  let twin: TrainablePolicy;
  let samples: readonly TrainingSample[];
  let hasCritic: boolean;
  let root: string;

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'backend-critic-'));
    pair = await openPolicyPair(open);
    ({ policy, twin } = pair);
    samples = makeSamples(pair.fixture.vocabularySize, 3, 1);
    hasCritic = (await pair.fixture.backend.capabilities()).critic === true;
  });
  beforeEach(() => pair.reset());
  afterAll(async () => {
    await pair?.close();
    await rm(root, { recursive: true, force: true });
  });

  /** Values, or the end of the test where the backend has no critic. */
  const valuesOf = async (one: TrainablePolicy, context: TestContext): Promise<readonly Float32Array[]> =>
    one.values === undefined ? context.skip('this backend has no critic') : await one.values(samples);
  const lossOn = (trunkWeight: number): ValueLoss => ({
    targets: samples.map(({ tokens }) => Float32Array.from(tokens, (token) => 1 + (token % 3) / 4)),
    weights: samples.map(({ tokens }) => Float32Array.from(tokens, (_, t) => 0.1 + (t % 2) / 10)),
    trunkWeight,
  });
  /** Trains the critic, and the policy where `learningRate` is not 0. */
  const learn = async (
    one: TrainablePolicy,
    steps: number,
    { trunkWeight = 0, learningRate = 0 } = {},
  ): Promise<readonly number[]> => {
    const losses: number[] = [];
    for (let step = 0; step < steps; step += 1) {
      losses.push((await one.forwardBackward(samples, crossEntropy, lossOn(trunkWeight))).valueLoss!);
      await one.optimStep({ learningRate }, 0.1);
    }
    return losses;
  };

  it('is announced where there is one, and refused by name where there is none', async () => {
    expect(policy.values !== undefined).toBe(hasCritic);
    if (hasCritic) return;
    await expect(policy.forwardBackward(samples, crossEntropy, lossOn(0))).rejects.toMatchObject({
      code: 'loss-unsupported',
      message: expect.stringMatching(/critic/),
    });
    await expect(policy.optimStep({ learningRate: 0.1 }, 0.1)).rejects.toMatchObject({
      code: 'option-invalid',
      message: expect.stringMatching(/criticLearningRate.*critic/),
    });
  });

  it('values every state 0 in a new policy, and nothing where the mask is 0', async (context) => {
    expect((await valuesOf(policy, context)).every((values) => values.every((value) => value === 0))).toBe(true);
    await learn(policy, 2);
    (await valuesOf(policy, context)).forEach((values, index) =>
      values.forEach((value, t) => {
        if (samples[index]!.lossMask[t] === 0) expect(value).toBe(0);
        else expect(value).toBeGreaterThan(0);
      }),
    );
  });

  it('has the loss that is documented', async (context) => {
    await valuesOf(policy, context);
    await learn(policy, 3);
    const values = await valuesOf(policy, context);
    const { targets, weights } = lossOn(0);
    let expected = 0;
    for (const [index, { lossMask }] of samples.entries())
      lossMask.forEach((mask, t) => {
        if (mask === 1) expected += 0.5 * weights[index]![t]! * (values[index]![t]! - targets[index]![t]!) ** 2;
      });
    const { valueLoss, loss } = await policy.forwardBackward(samples, crossEntropy, lossOn(0.5));
    expect(valueLoss).toBeCloseTo(expected, 4);
    expect((await twin.forwardBackward(samples, crossEntropy)).loss).toBeCloseTo(loss, 3);
  });

  it('learns its targets, alone', async (context) => {
    await valuesOf(policy, context);
    const losses = await learn(policy, 25);
    expect(losses.at(-1)).toBeLessThan(0.2 * losses[0]!);
  });

  it('changes nothing of the policy when it learns alone, and something when it does not', async (context) => {
    await valuesOf(policy, context);
    for (const one of [policy, twin]) {
      for (let step = 0; step < 3; step += 1) {
        await one.forwardBackward(samples, crossEntropy, one === policy ? lossOn(0) : undefined);
        await one.optimStep({ learningRate: 0.02, maxGradientNorm: 0.5 }, one === policy ? 0.1 : undefined);
      }
    }
    expect(await policy.forward(samples)).toEqual(await twin.forward(samples));
    await pair.reset();
    await learn(policy, 3, { trunkWeight: 5, learningRate: 0.02 });
    await learn(twin, 3, { trunkWeight: 0, learningRate: 0.02 });
    expect(largestGap(await policy.forward(samples), await twin.forward(samples))).toBeGreaterThan(10 * tolerance);
  });

  it('is in a saved state, and is new again in a policy that loads a state from before it', async (context) => {
    await valuesOf(policy, context);
    await policy.saveState(join(root, 'before'));
    await learn(policy, 3, { learningRate: 0.01 });
    await policy.saveState(join(root, 'trained'));
    const saved = await valuesOf(policy, context);
    await learn(policy, 2, { learningRate: 0.01 });
    const later = await valuesOf(policy, context);
    expect(largestGap(saved, later)).toBeGreaterThan(0.01);
    await policy.loadState(join(root, 'trained'));
    expect(await valuesOf(policy, context)).toEqual(saved);
    await learn(policy, 2, { learningRate: 0.01 });
    expect(await valuesOf(policy, context)).toEqual(later);
    await policy.loadState(join(root, 'before'));
    expect((await valuesOf(policy, context)).every((values) => values.every((value) => value === 0))).toBe(true);
  });

  it('refuses a value loss that does not fit, and stays as it is', async (context) => {
    await valuesOf(policy, context);
    const good = lossOn(0.5);
    for (const bad of [
      { ...good, targets: good.targets.slice(1) },
      { ...good, weights: good.weights.map((list) => list.subarray(1)) },
      { ...good, weights: good.weights.map((list) => list.map(() => -1)) },
      { ...good, targets: good.targets.map((list) => list.map(() => Number.NaN)) },
      { ...good, trunkWeight: -1 },
    ])
      await expect(policy.forwardBackward(samples, crossEntropy, bad)).rejects.toMatchObject({
        code: 'samples-invalid',
      });
    expect((await policy.optimStep({ learningRate: 0 })).gradientNorm ?? 0).toBe(0);
  });
}
