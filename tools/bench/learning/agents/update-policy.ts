import type { LightningBatch, TrainingSample } from '@agent-lightning/core';
import { grpo } from '@agent-lightning/trainer';
import { takeSizedPasses } from '../../../../packages/trainer/src/grpo/step/sized-passes.ts';
import { initialSizing, type StepSizing } from '../../../../packages/trainer/src/grpo/step/step-size.ts';
import type { PassedPolicy } from '../../../../packages/trainer/src/grpo/step/submit-pass.ts';
import { readSample, type ReplyPolicy } from './reply-policy.ts';

const ppo = { name: 'ppo', clipLow: 0.8, clipHigh: 1.28, dualClip: 3 } as const;
/** Passes over a batch with a fixed learning rate. */
const fixedPasses = 4;

/** Updates a policy by the batches of a run, one after the other. */
export type UpdatePolicy = (batch: LightningBatch) => Promise<void>;

/**
 * Returns what trains a policy: by four passes over each batch at a fixed learning rate, or with 'auto' by the trainer's own updates that size themselves.
 * @param asked the rollouts of a step
 * @param random uniform in [0, 1); deals the groups of a batch into the halves of its first step
 */
export function updatesOf(
  policy: ReplyPolicy,
  learningRate: number | 'auto',
  asked: number,
  random: () => number,
): UpdatePolicy {
  if (learningRate === 'auto') return sizedUpdates(policy, asked, random);
  return async ({ samples }) => {
    for (let pass = 0; pass < fixedPasses; pass += 1) {
      policy.addGradient(samples, ppo);
      policy.optimStep(learningRate);
    }
  };
}

function sizedUpdates(policy: ReplyPolicy, asked: number, random: () => number): UpdatePolicy {
  const settings = grpo().config;
  let sizing: StepSizing = initialSizing(settings.startingLearningRate);
  let step = 0;
  return async (batch) => {
    step += 1;
    const { sized } = await takeSizedPasses(batch, {
      name: 'policy',
      policy: toPassedPolicy(policy),
      settings,
      objective: { loss: ppo },
      builtIn: { losses: ['ppo'], dualClip: true },
      step,
      random,
      beforeUpdate: () => undefined,
      sizing,
      asked,
    });
    sizing = sized?.sizing ?? sizing;
  };
}

/** Returns the policy as the trainer calls it. Adam's other parameters are the trainer's defaults in both. */
function toPassedPolicy(policy: ReplyPolicy): PassedPolicy {
  let steps = 0;
  const score = (samples: readonly TrainingSample[]): readonly Float32Array[] =>
    samples.map((sample) => {
      const { prompt, reply } = readSample(sample);
      const logprobs = new Float32Array(sample.tokens.length);
      logprobs[prompt.length] = Math.log(policy.probabilities(prompt)[reply]!);
      return logprobs;
    });
  return {
    forward: async (samples) => score(samples),
    forwardBackward: async (samples, loss) => ({
      logprobs: score(samples),
      loss: policy.addGradient(samples, loss),
      trainedTokens: samples.length,
    }),
    optimStep: async ({ learningRate }) => {
      steps += 1;
      return { gradientNorm: policy.optimStep(learningRate), step: steps };
    },
  };
}
