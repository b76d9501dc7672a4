import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arbitraryEpisodes, episodeOf } from '../../test/__fixtures__/episodes.ts';
import { buildBatch, type LightningRLOptions } from './algorithm.ts';
import { splitMinibatches } from './minibatches.ts';
import { penalizeDivergence } from './reference-penalty.ts';

const options: LightningRLOptions = {
  credit: 'identical',
  estimator: 'dr_grpo',
  samples: 'trajectory',
  tokenWeighting: 'rollout',
};

describe('penalizeDivergence', () => {
  const { samples } = buildBatch(
    [
      episodeOf('a', 'g', 1, [{ prompt: [1], response: [2, 3], logprobs: [-1, -1] }]),
      episodeOf('b', 'g', 0, [{ prompt: [1], response: [4, 5], logprobs: [-2, -2] }]),
    ],
    options,
  );

  it('adds the distance from the mean divergence, weighted like the advantage, as by hand', () => {
    // d = 1, 0 | 0, −1: mean 0. A = ±1/2, each token weighs 1/4, β = 0.1.
    const { samples: penalized, meanDivergence } = penalizeDivergence(
      samples,
      [
        [7, -2, -1],
        [7, -2, -1],
      ],
      0.1,
    );
    expect(meanDivergence).toBe(0);
    const expected = [
      [0, 0.4 / 4, 0.5 / 4],
      [0, -0.5 / 4, -0.4 / 4],
    ];
    penalized.forEach((sample, index) =>
      sample.advantages.forEach((value, t) => expect(value).toBeCloseTo(expected[index]![t]!, 7)),
    );
  });

  it('changes nothing with coefficient 0, and reports the divergence all the same', () => {
    const { samples: same, meanDivergence } = penalizeDivergence(
      samples,
      [
        [0, -2, -2],
        [0, -2, -2],
      ],
      0,
    );
    expect(meanDivergence).toBe(0.5);
    expect(same).toEqual(samples);
  });

  it('sums to zero over the trained tokens, and leaves masked ones alone', () => {
    fc.assert(
      fc.property(arbitraryEpisodes, (episodes) => {
        const batch = buildBatch(episodes, options);
        const reference = batch.samples.map((sample) => sample.logprobs.map((q, t) => q - Math.cos(t)));
        const { samples: penalized } = penalizeDivergence(batch.samples, reference, 0.5);
        let sum = 0;
        penalized.forEach((sample, index) =>
          sample.tokenAdvantages.forEach((value, t) => {
            if (sample.lossMask[t] === 0) expect(value).toBe(0);
            sum += value - batch.samples[index]!.tokenAdvantages[t]!;
          }),
        );
        expect(sum).toBeCloseTo(0, 6);
      }),
    );
  });

  it('survives a split into minibatches', () => {
    const batch = buildBatch(
      [
        episodeOf('a', 'g', 1, [{ prompt: [1], response: [2] }]),
        episodeOf('b', 'g', 0, [{ prompt: [1], response: [3] }]),
      ],
      options,
    );
    const penalized = penalizeDivergence(
      batch.samples,
      [
        [0, -3],
        [0, -1],
      ],
      0.25,
    ).samples;
    const [only] = splitMinibatches({ ...batch, samples: penalized }, 1, () => 0);
    expect(only!.samples).toEqual(penalized);
  });

  it('refuses a bad coefficient and log-probabilities that are not the samples’', () => {
    expect(() =>
      penalizeDivergence(
        samples,
        [
          [0, 0, 0],
          [0, 0, 0],
        ],
        -1,
      ),
    ).toThrow(/coefficient .* is -1/);
    expect(() => penalizeDivergence(samples, [[0, 0, 0]], 0.1)).toThrow(/sample 1 of 3 tokens has no reference/);
    expect(() =>
      penalizeDivergence(
        samples,
        [
          [0, Number.NaN, 0],
          [0, 0, 0],
        ],
        0.1,
      ),
    ).toThrow(/reference log-probability 1 of sample 0 is NaN/);
  });
});
