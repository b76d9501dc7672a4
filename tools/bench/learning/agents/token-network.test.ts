import { buildBatch, lossAndDerivative, seededRandom, type BatchSample, type Loss } from '@agent-lightning/core';
import { expect, it } from 'vitest';
import { TokenNetwork } from './token-network.ts';
import { toyEpisode } from './toy-episode.ts';

const [vocabulary, replies, hidden] = [5, 3, 32];
const ppo: Loss = { name: 'ppo', clipLow: 0.8, clipHigh: 1.28, dualClip: 3 };
const prompts = [
  [0, 3],
  [1, 3],
  [1, 4, 2],
].map((prompt) => Int32Array.from(prompt));

/** The same network as a plain function of its parameters. */
function naiveProbabilities(parameters: readonly number[], prompt: Int32Array): readonly number[] {
  const units = Array.from({ length: hidden }, (_, h) =>
    Math.tanh([...prompt].reduce((sum, token) => sum + parameters[token * hidden + h]!, 0)),
  );
  const weights = Array.from({ length: replies }, (_, reply) => {
    const row = parameters.slice(vocabulary * hidden + reply * (hidden + 1)).slice(0, hidden + 1);
    return Math.exp(units.reduce((sum, unit, h) => sum + unit * row[h]!, row[hidden]!));
  });
  return weights.map((weight) => weight / weights.reduce((sum, each) => sum + each, 0));
}

function naiveLoss(parameters: readonly number[], samples: readonly BatchSample[]): number {
  return samples.reduce((sum, sample) => {
    const last = sample.tokens.length - 1;
    const probability = naiveProbabilities(parameters, sample.tokens.slice(0, last))[sample.tokens[last]!]!;
    return sum + lossAndDerivative(sample, [...sample.tokens.slice(0, last).fill(0), Math.log(probability)], ppo).loss;
  }, 0);
}

it('takes the first step of Adam along the gradient of the loss, as finite differences give it', () => {
  const network = new TokenNetwork(vocabulary, replies, seededRandom(0));
  const random = seededRandom(0);
  const parameters = Array.from(
    { length: vocabulary * hidden + replies * (hidden + 1) },
    (_, index) => (2 * random() - 1) * (index < vocabulary * hidden ? 1 : 0.1),
  );
  for (const prompt of prompts)
    naiveProbabilities(parameters, prompt).forEach((probability, reply) =>
      expect(network.probabilities(prompt)[reply]).toBeCloseTo(probability, 12),
    );
  const { samples } = buildBatch(
    [1, 0, 0, 1].map((reward, index) =>
      toyEpisode(
        `rollout ${index}`,
        'task',
        reward,
        prompts.map((promptIds, k) => ({ promptIds, reply: (index + k) % replies, logprob: Math.log(1 / 3) })),
      ),
    ),
    { credit: 'identical', estimator: 'grpo', samples: 'transition', tokenWeighting: 'rollout' },
  );
  network.addGradient(samples, ppo);
  network.optimStep(0.01);
  const moved = parameters.map((value, index) => {
    const at = (changed: number): number => naiveLoss(parameters.with(index, changed), samples);
    const slope = (at(value + 1e-5) - at(value - 1e-5)) / 2e-5;
    return Math.abs(slope) < 1e-6 ? value : value - 0.01 * Math.sign(slope);
  });
  for (const prompt of prompts)
    naiveProbabilities(moved, prompt).forEach((probability, reply) =>
      expect(network.probabilities(prompt)[reply]).toBeCloseTo(probability, 4),
    );
});
