import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arbitraryEpisodes, episodeOf } from '../../test/__fixtures__/episodes.ts';
import type { Episode } from '../transitions/transition.ts';
import { buildBatch, type LightningRLOptions } from './algorithm.ts';
import type { LightningBatch } from './batch.ts';
import { applyCritic } from './critic-advantages.ts';
import { estimateGeneralizedAdvantages, whiten } from './generalized-advantages.ts';

const options: LightningRLOptions = {
  credit: 'perStep',
  estimator: 'gae',
  samples: 'trajectory',
  tokenWeighting: 'rollout',
};

/** A critic that knows the call and the place of a token, so that its values do not depend on the layout of samples. */
function valueOf(rolloutId: string, callIndex: number, place: number): number {
  return ((rolloutId.charCodeAt(rolloutId.length - 1) * 7 + callIndex * 5 + place * 3) % 11) / 8 - 0.5;
}

function valuesOf(batch: LightningBatch): Float32Array[] {
  return batch.samples.map(({ tokens, rolloutId, segments }) => {
    const values = new Float32Array(tokens.length).fill(Number.NaN); // nobody reads what is not trained
    for (const { callIndex, start, end } of segments)
      for (let t = start; t < end; t += 1) values[t] = valueOf(rolloutId, callIndex, t - start);
    return values;
  });
}

/** The advantage of each token by its rollout, call and place: one list of tokens a rollout, without samples. */
function naiveAdvantages(
  episodes: readonly Episode[],
  batch: LightningBatch,
  chosen: { discount: number; lambda: number },
): Map<string, number> {
  const kept = episodes.filter(({ rollout }) => batch.advantages.has(rollout.rolloutId));
  const keys: string[] = [];
  const earned: number[] = []; // by each call
  const advantages = kept.flatMap(({ rollout: { rolloutId }, transitions, reward, untrainedReward }) => {
    const tokens = transitions.flatMap((call, k) =>
      Array.from(call.responseIds, (_, place) => {
        keys.push(`${rolloutId}/${k}/${place}`);
        const isLast = place === call.responseIds.length - 1;
        const outcome = k === transitions.length - 1 ? (reward ?? 0) + (untrainedReward ?? 0) : 0;
        if (isLast) earned.push((call.reward ?? 0) + outcome);
        return { reward: isLast ? earned.at(-1)! : 0, value: valueOf(rolloutId, k, place) };
      }),
    );
    const given = {
      rewards: tokens.map(({ reward: earned }) => earned),
      values: tokens.map(({ value }) => value),
      mask: tokens.map(() => 1),
    };
    return [...estimateGeneralizedAdvantages(given, chosen).advantages];
  });
  const floor = 0.01 * Math.max(1, Math.max(...earned) - Math.min(...earned));
  const white = whiten(Float64Array.from(advantages), floor);
  return new Map(keys.map((key, index) => [key, white[index]!]));
}

describe('applyCritic', () => {
  it('gives the tokens of a rollout what one computes by hand', () => {
    const episodes = [
      episodeOf('a', 'g', 1, [
        { prompt: [1], response: [2, 3] },
        { prompt: [1, 2, 3, 4], response: [5] },
      ]),
      episodeOf('b', 'g', 0, [{ prompt: [1], response: [6] }]),
    ];
    const built = buildBatch(episodes, options);
    const { batch, explainedVariance } = applyCritic(
      built,
      [
        [0, 0.5, 0.25, 9, 0.75],
        [0, 0.5],
      ],
      { discount: 1, lambda: 0 },
    );
    // δ: a 0.25 − 0.5, 0.75 − 0.25, 1 − 0.75; b 0 − 0.5. Their mean is 0, their sample deviation √(0.625 / 3).
    const scale = Math.sqrt(0.625 / 3);
    const [a, b] = batch.samples;
    const expected = [0, -0.25 / scale, 0.5 / scale, 0, 0.25 / scale];
    a!.tokenAdvantages.forEach((value, t) => expect(value).toBeCloseTo(expected[t]!, 6));
    expect(b!.tokenAdvantages[1]).toBeCloseTo(-0.5 / scale, 6);
    expect([...a!.valueTargets!]).toEqual([0, 0.25, 0.75, 0, 1]);
    expect(a!.segments.map(({ advantage }) => advantage)).toEqual([...batch.advantages.get('a')!]);
    expect(a!.advantages[2]).toBeCloseTo(0.5 / scale / 6, 6); // 1 / (2 rollouts · 3 tokens)
    // earned: 1, 1, 1, 0, of variance 3/16; less the values: 0.5, 0.75, 0.25, −0.5, of variance 0.21875
    expect(explainedVariance).toBeCloseTo(1 - 0.21875 / 0.1875, 10);
  });

  it.each(['transition', 'trajectory'] as const)(
    'agrees with a second implementation that knows no samples: %s',
    (samples) => {
      const share = fc.integer({ min: 0, max: 4 }).map((value) => value / 4);
      fc.assert(
        fc.property(arbitraryEpisodes, share, share, (episodes, discount, lambda) => {
          const built = buildBatch(episodes, { ...options, samples });
          const expected = naiveAdvantages(episodes, built, { discount, lambda });
          const { batch } = applyCritic(built, valuesOf(built), { discount, lambda });
          let tokens = 0;
          for (const { rolloutId, segments, tokenAdvantages, advantages, tokenWeight, lossMask } of batch.samples) {
            lossMask.forEach((bit, t) => bit === 0 && expect(tokenAdvantages[t]).toBe(0));
            for (const { callIndex, start, end } of segments)
              for (let t = start; t < end; t += 1, tokens += 1) {
                expect(tokenAdvantages[t]).toBeCloseTo(expected.get(`${rolloutId}/${callIndex}/${t - start}`)!, 5);
                expect(advantages[t]).toBe(Math.fround(tokenAdvantages[t]! * tokenWeight));
              }
          }
          expect(tokens).toBe(expected.size);
        }),
      );
    },
  );

  it('does not take what differs by a thousandth of the rewards for a signal', () => {
    const episodes = [1, 0].map((reward) => episodeOf(`${reward}`, 'g', reward, [{ prompt: [1], response: [2] }]));
    const built = buildBatch(episodes, options);
    const { batch } = applyCritic(
      built,
      [
        [0, 0.9995],
        [0, -0.0005],
      ],
      { discount: 1, lambda: 1 },
    );
    for (const sample of batch.samples) expect(Math.abs(sample.tokenAdvantages[1]!)).toBeLessThan(0.1);
  });

  it.each([
    [[[0, 1]], 'samples-invalid', /sample 1 of 2 tokens has no values/],
    [
      [
        [0, 1],
        [0, Number.NaN],
      ],
      'numerics',
      /the value before token 1 of sample 1 is NaN/,
    ],
  ] as const)('refuses the values %j', (values, code, message) => {
    const episodes = [1, 0].map((reward) => episodeOf(`${reward}`, 'g', reward, [{ prompt: [1], response: [2] }]));
    const built = buildBatch(episodes, options);
    expect(() => applyCritic(built, values, { discount: 1, lambda: 1 })).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });

  it('is refused a credit that is not per step', () => {
    expect(() => buildBatch([], { ...options, credit: 'identical' })).toThrow(
      /credit is "identical" with the estimator gae/,
    );
  });
});
