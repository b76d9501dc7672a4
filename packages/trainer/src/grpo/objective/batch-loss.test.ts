import { buildBatch, type BatchSample, type LightningRLOptions } from '@agent-lightning/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arbitraryEpisodes } from '../../../../core/test/__fixtures__/episodes.ts';
import { objectiveAndDerivative, type Objective } from './objective.ts';

describe('the loss of a batch', () => {
  const objectives: Objective[] = [
    { loss: { name: 'importance_sampling' } },
    { loss: { name: 'ppo', clipLow: 0.8, clipHigh: 1.2 } },
    { loss: { name: 'cispo', clipLow: 0.8, clipHigh: 1.2 } },
    { loss: { name: 'gspo', clipLow: 0.9, clipHigh: 1.1 } },
    { loss: { name: 'icepop', clipLow: 0.8, clipHigh: 1.2 }, sequenceMask: { low: 0.9, high: 1.1 } },
    { loss: { name: 'importance_sampling' }, referenceKl: 0.1 },
  ];
  const weightings: LightningRLOptions['tokenWeighting'][] = ['rollout', 'token', { constant: 10 }];

  it('and its gradient are the same however the rollouts are split into samples', () => {
    fc.assert(
      fc.property(
        arbitraryEpisodes,
        fc.constantFrom(...objectives),
        fc.constantFrom(...weightings),
        (episodes, objective, tokenWeighting) => {
          const options: LightningRLOptions = {
            credit: { perStep: 0.5 },
            estimator: 'grpo',
            samples: 'transition',
            tokenWeighting,
          };
          const split = evaluate(buildBatch(episodes, options).samples, objective);
          const merged = evaluate(buildBatch(episodes, { ...options, samples: 'trajectory' }).samples, objective);
          expect(merged.loss).toBeCloseTo(split.loss, 5);
          expect(merged.derivative).toEqual(split.derivative);
        },
      ),
    );
  });
});

/** The batch's loss under log-probabilities that depend on the call and the token only, and its derivative by call and token. */
function evaluate(
  samples: readonly BatchSample[],
  objective: Objective,
): { loss: number; derivative: Map<string, number> } {
  let sum = 0;
  const derivative = new Map<string, number>();
  for (const sample of samples) {
    const logprobs = new Float64Array(sample.tokens.length);
    for (const { callIndex, start, end } of sample.segments)
      for (let t = start; t < end; t += 1)
        logprobs[t] = sample.logprobs[t]! + Math.sin(callIndex + 2 * (t - start)) / 2;
    const evaluated = objectiveAndDerivative({ ...sample, referenceLogprobs: sample.logprobs }, logprobs, objective);
    sum += evaluated.loss;
    for (const { callIndex, start, end } of sample.segments) {
      for (let t = start; t < end; t += 1) {
        const key = `${sample.rolloutId}:${callIndex}:${t - start}`;
        derivative.set(key, (derivative.get(key) ?? 0) + evaluated.derivative[t]!);
      }
    }
  }
  return { loss: sum, derivative: new Map([...derivative].toSorted(([a], [b]) => (a < b ? -1 : 1))) };
}
