import {
  lossAndDerivative,
  type AdamParameters,
  type BatchSample,
  type LightningBatch,
  type Loss,
  type PolicySnapshot,
  type TrainablePolicy,
  type TrainingSample,
} from '@agent-lightning/core';
import { describe, expect, it } from 'vitest';
import { grpo } from '../grpo.ts';
import { takeSizedPasses, type SizedPassesOptions } from './sized-passes.ts';
import { rollingSignal } from './signal-ratio.ts';
import { initialSizing } from './step-size.ts';

const ppo = { name: 'ppo', clipLow: 0.8, clipHigh: 1.28 } as const;
/** log p of each token at sampling time: with two tokens a call, H is 1 nat a call, and T 0.05. */
const sampled = -0.5;

/** A learner of one number, which all log-probabilities follow up or down; its gradient's sign decides the step, as AdamW's first does. */
class ShiftPolicy implements TrainablePolicy {
  readonly name = 'shift';
  readonly steps: { readonly samples: number; readonly learningRate: number }[] = [];
  shift = 0;
  #slope = 0;
  #samples = 0;
  /** √D a pass is about this times the learning rate. */
  readonly speed: number;
  /** Added to the log-probabilities of a pass, in turns up and down: an engine that does not score alike twice. */
  readonly wobble: number;

  constructor(speed: number, wobble = 0) {
    this.speed = speed;
    this.wobble = wobble;
  }

  async forward(samples: readonly TrainingSample[]): Promise<readonly Float32Array[]> {
    return this.#score(samples, 0);
  }

  async forwardBase(samples: readonly TrainingSample[]): Promise<readonly Float32Array[]> {
    return this.#score(samples, 0);
  }

  async forwardBackward(
    samples: readonly TrainingSample[],
    loss: Loss,
  ): ReturnType<TrainablePolicy['forwardBackward']> {
    const logprobs = this.#score(samples, this.wobble);
    const values = samples.map((sample, index) => lossAndDerivative(sample, logprobs[index]!, loss));
    this.#slope = values.reduce((sum, { derivative }) => sum + derivative.reduce((all, each) => all + each, 0), 0);
    this.#samples = samples.length;
    return { logprobs, loss: values.reduce((sum, value) => sum + value.loss, 0), trainedTokens: 2 * samples.length };
  }

  async optimStep({ learningRate }: AdamParameters): ReturnType<TrainablePolicy['optimStep']> {
    this.shift -= Math.sign(this.#slope) * learningRate * this.speed;
    this.steps.push({ samples: this.#samples, learningRate });
    return { step: this.steps.length };
  }

  #score(samples: readonly TrainingSample[], wobble: number): readonly Float32Array[] {
    return samples.map(({ lossMask }) =>
      Float32Array.from(lossMask, (mask, t) =>
        mask === 0 ? 0 : sampled + this.shift + (t % 2 === 0 ? wobble : -wobble),
      ),
    );
  }

  publish(): Promise<PolicySnapshot> {
    return Promise.reject(new Error('nothing samples it'));
  }
  saveState = (): Promise<void> => Promise.resolve();
  loadState = (): Promise<void> => Promise.resolve();
  exportModel = (): Promise<void> => Promise.resolve();
}

/** Groups of rollouts with these advantages, one call of two tokens each. */
function batchOf(...groups: readonly (readonly number[])[]): LightningBatch {
  const samples = groups.flatMap((advantages, group) =>
    advantages.map((advantage, index): BatchSample => ({
      rolloutId: `${group}-${index}`,
      groupId: `g${group}`,
      policy: 'policy',
      callIndexes: [0],
      policyVersions: [0],
      segments: [{ callIndex: 0, policyVersion: 0, start: 1, end: 3, advantage }],
      tokens: new Int32Array(3),
      lossMask: Uint8Array.of(0, 1, 1),
      logprobs: Float32Array.of(0, sampled, sampled),
      tokenAdvantages: Float64Array.of(0, advantage, advantage),
      advantages: Float32Array.of(0, advantage, advantage),
      tokenWeight: 1,
    })),
  );
  return {
    samples,
    rolloutCount: samples.length,
    groupIds: groups.map((_, group) => `g${group}`),
    tokenWeighting: 'rollout',
    advantages: new Map(),
    returns: new Map(),
    shapingOnlyGroups: [],
    dropped: { zeroVarianceGroups: [], singletonGroups: [], missingReward: [], noTransitions: [], untrainable: 0 },
  };
}

function optionsFor(
  policy: TrainablePolicy,
  asked: number,
  changes: Partial<SizedPassesOptions> = {},
): SizedPassesOptions {
  return {
    name: 'policy',
    policy,
    settings: grpo().config,
    objective: { loss: ppo },
    builtIn: { losses: ['ppo'] },
    step: 7,
    random: () => 0.4,
    beforeUpdate: () => undefined,
    sizing: initialSizing(1e-6),
    asked,
    ...changes,
  };
}

const helpful = batchOf([1, 0.5], [0.5, 1]);
const later = { batches: 3, passes: 4, signal: { mean: 0.5, weight: 8 } };

describe('passes that size themselves', () => {
  it('go on until the policy has moved by its target, and no further', async () => {
    const policy = new ShiftPolicy(100);
    const { passes, passesOverBatch, learningRate, sized, firstLogprobs } = await takeSizedPasses(
      helpful,
      optionsFor(policy, 4),
    );
    expect(sized!.target).toBeCloseTo(0.05, 6);
    expect(sized!.movement).toBeCloseTo(policy.shift ** 2, 6); // two tokens a call
    expect(sized!.movement / sized!.target).toBeGreaterThanOrEqual(1);
    expect(sized!.movement / sized!.target).toBeLessThan(1.6);
    expect([passes.length, passesOverBatch]).toEqual([policy.steps.length, policy.steps.length]);
    expect(policy.steps.length).toBeGreaterThan(4);
    expect(policy.steps[0]!.learningRate).toBe(1e-6);
    expect(learningRate).toBe(policy.steps.at(-1)!.learningRate);
    expect(sized!.sizing).toMatchObject({ batches: 1, passes: passes.length });
    // As it was before the first step, when sampler and trainer agreed.
    for (const { tokens, logprobs } of helpful.samples) expect(firstLogprobs.get(tokens)).toEqual(logprobs);
  });

  it('take the first step on half of the groups, and the rest on all', async () => {
    const policy = new ShiftPolicy(100);
    const { sized } = await takeSizedPasses(batchOf([1, 0.5], [2, 1], [1, 1], [1, 2]), optionsFor(policy, 8));
    expect(policy.steps.map(({ samples }) => samples)).toEqual([4, ...policy.steps.slice(1).map(() => 8)]);
    expect(sized!.signalRatio).toBeGreaterThan(0.3); // what helps one half helps the other
  });

  it('find rewards to be noise where a step on one half harms the other', async () => {
    const noise = batchOf([1, 1], [-1, -1]);
    const { sized } = await takeSizedPasses(noise, optionsFor(new ShiftPolicy(100), 4));
    const expected = -1 / 2.8;
    expect(sized!.signalRatio).toBeCloseTo(expected, 2);
    expect(sized!.target).toBeCloseTo(0.05 * 0.05, 6);
  });

  it('use all groups from the start without the gate, and measure no ratio', async () => {
    const policy = new ShiftPolicy(100);
    const settings = grpo({ signalGate: false }).config;
    const { sized } = await takeSizedPasses(helpful, optionsFor(policy, 4, { settings }));
    expect(new Set(policy.steps.map(({ samples }) => samples))).toEqual(new Set([4]));
    expect(sized!.signalRatio).toBeUndefined();
    expect(sized!.sizing.signal).toEqual(rollingSignal);
  });

  it('use all of a batch of one group from the start, and keep what is known of the signal', async () => {
    const policy = new ShiftPolicy(100);
    const signal = { mean: 0.1, weight: 5 };
    const sizing = { ...initialSizing(1e-6), signal };
    const { sized } = await takeSizedPasses(batchOf([1, 0.5]), optionsFor(policy, 2, { sizing }));
    expect(policy.steps[0]!.samples).toBe(2);
    expect(sized!.sizing.signal).toEqual(signal);
    expect(sized!.target).toBeCloseTo(0.05 * 0.16, 6);
  });

  it('move a policy less where few rollouts carry signal', async () => {
    const { sized } = await takeSizedPasses(helpful, optionsFor(new ShiftPolicy(100), 64));
    expect(sized!.target).toBeCloseTo((0.05 * 4) / 64, 6);
  });

  it('take what two passes without a step differ by for noise, not for movement', async () => {
    const policy = new ShiftPolicy(100, 0.1);
    const { sized } = await takeSizedPasses(helpful, optionsFor(policy, 4));
    // D of the wobble is 0.01 a call, a fifth of the target.
    expect(sized!.movement).toBeCloseTo(policy.shift ** 2 - 0.01, 5);
    expect(sized!.movement).toBeGreaterThanOrEqual(sized!.target);
  });

  it('end after eight passes in a later batch', async () => {
    const policy = new ShiftPolicy(1);
    const sizing = { ...later, learningRate: 1e-6 };
    const { sized } = await takeSizedPasses(helpful, optionsFor(policy, 4, { sizing }));
    expect(policy.steps).toHaveLength(8);
    expect(sized!.movement).toBeLessThan(sized!.target);
    expect(sized!.sizing.learningRate).toBeGreaterThan(policy.steps.at(-1)!.learningRate);
  });

  it('end the run when a step went more than ten targets, and name it', async () => {
    const sizing = { ...later, learningRate: 1e-3 };
    await expect(takeSizedPasses(helpful, optionsFor(new ShiftPolicy(1_000), 4, { sizing }))).rejects.toMatchObject({
      code: 'update-too-large',
      message: expect.stringMatching(
        /^step 7 moved the policy "policy" by 1\.00 nats a call, where the target was 0\.0500 and 0\.500 is the most, at the learning rate 0\.00100; nothing of it is published/,
      ),
    });
  });

  it('go on after a step that many rollouts might have asked for, where few call the policy', async () => {
    const sizing = { ...later, learningRate: 1e-3 };
    const { sized } = await takeSizedPasses(helpful, optionsFor(new ShiftPolicy(100), 400, { sizing }));
    expect(sized!.movement).toBeGreaterThan(10 * sized!.target);
    expect(sized!.movement).toBeLessThan(0.05); // T, had all rollouts called it
  });

  it('end at a batch that the loss clips altogether, and leave the rate as it was', async () => {
    const policy = new ShiftPolicy(100);
    policy.shift = 1; // every ratio is e, and every advantage above 0
    const sizing = { ...later, learningRate: 1e-5 };
    const { passes, sized } = await takeSizedPasses(batchOf([1, 0.5]), optionsFor(policy, 2, { sizing }));
    expect(passes).toHaveLength(1);
    expect(sized!.sizing).toEqual({ ...sizing, passes: 1 });
  });

  it('end where the loss clips the rest, and hold the rate against what was reached', async () => {
    const policy = new ShiftPolicy(100);
    const sizing = { ...later, learningRate: 5e-4 }; // 0.05 nats a token and pass; the clip ends it at 0.25, before 0.1 nats a call are reached
    const certain = batchOf([1, 0.5], [2, 1]);
    const samples = certain.samples.map((sample) => ({ ...sample, logprobs: Float32Array.of(0, -3, -3) }));
    const options = optionsFor(policy, 4, { sizing });
    policy.shift = -2.5; // so that it scores as it sampled
    const { passes, sized } = await takeSizedPasses({ ...certain, samples }, options);
    expect(sized!.target).toBeCloseTo(0.1, 6);
    expect(sized!.movement).toBeLessThan(0.1);
    expect(passes.length).toBeLessThan(8);
    expect(sized!.sizing).toMatchObject({ batches: 4, passes: passes.length });
    expect(sized!.sizing.learningRate).toBeGreaterThan(policy.steps.at(-1)!.learningRate); // more than four passes
  });

  it('take no step without samples', async () => {
    const policy = new ShiftPolicy(100);
    const beforeUpdate = (): never => expect.unreachable();
    const { passes, sized } = await takeSizedPasses(batchOf(), optionsFor(policy, 4, { beforeUpdate }));
    expect([passes, sized, policy.steps]).toEqual([[], undefined, []]);
  });

  it('move alike on a backend without the loss, which is sent its derivative', async () => {
    const [own, sent] = [new ShiftPolicy(100), new ShiftPolicy(100)];
    await takeSizedPasses(helpful, optionsFor(own, 4));
    await takeSizedPasses(helpful, optionsFor(sent, 4, { builtIn: { losses: ['cross_entropy'] } }));
    expect(sent.steps).toEqual(own.steps);
  });
});
