import { buildDemonstrations, seededRandom, type BatchSample } from '@agent-lightning/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arbitraryEpisodes, episodeOf } from '../../../core/test/__fixtures__/episodes.ts';
import { rewardAdvantages, shuffleMarks, toSamples } from './mark-samples.ts';

const layout = { samples: 'trajectory', tokenWeighting: 'token' } as const;

/** Lists lp_T − q of the trained tokens, smallest first. */
function differencesOf(samples: readonly BatchSample[], logprobs: readonly ArrayLike<number>[]): readonly number[] {
  return samples
    .flatMap(({ lossMask, logprobs: own }, index) =>
      Array.from(own, (q, t) => (lossMask[t] === 0 ? [] : [logprobs[index]![t]! - q])).flat(),
    )
    .toSorted((a, b) => a - b);
}

describe('the marks of a control run', () => {
  it('are those of the run, at other tokens, and of no other size', () => {
    fc.assert(
      fc.property(arbitraryEpisodes, fc.nat(), (episodes, seed) => {
        const samples = buildDemonstrations(episodes, layout);
        const marks = samples.map(({ tokens }) => Float32Array.from(tokens, (token, t) => -token - t / 8));
        const shuffled = shuffleMarks(samples, marks, seededRandom(seed, 'marks'));
        const [before, after] = [differencesOf(samples, marks), differencesOf(samples, shuffled)];
        expect(after).toHaveLength(before.length);
        after.forEach((difference, index) => expect(difference).toBeCloseTo(before[index]!, 9));
      }),
    );
  });

  it('no longer belong to their tokens', () => {
    const episodes = [episodeOf('a', 'g', 1, [{ prompt: [1], response: Array.from({ length: 200 }, (_, t) => t) }])];
    const samples = buildDemonstrations(episodes, layout);
    const marks = samples.map(({ tokens }) => Float32Array.from(tokens, (token) => -1 - token));
    const [shuffled] = shuffleMarks(samples, marks, seededRandom(0, 'marks'));
    const stayed = [...shuffled!].filter((mark, t) => samples[0]!.lossMask[t] === 1 && mark === marks[0]![t]).length;
    expect(stayed).toBeLessThan(10);
  });
});

describe('the training samples', () => {
  // One rollout of two calls, of which the second continues the first, and one of a single token.
  const episodes = [
    episodeOf('a', 'g', 1, [
      { prompt: [1], response: [2, 3] },
      { prompt: [1, 2, 3, 4], response: [5] },
    ]),
    episodeOf('b', 'g', 0, [{ prompt: [1], response: [6] }]),
  ];

  it.each([
    [
      'trajectory',
      'token',
      [
        [1, 2, 3, 4, 5],
        [1, 6],
      ],
      [1 / 4, 1 / 4],
    ],
    [
      'transition',
      'token',
      [
        [1, 2, 3],
        [1, 2, 3, 4, 5],
        [1, 6],
      ],
      [1 / 4, 1 / 4, 1 / 4],
    ],
    [
      'trajectory',
      'rollout',
      [
        [1, 2, 3, 4, 5],
        [1, 6],
      ],
      [1 / 6, 1 / 2],
    ],
    [
      'transition',
      'rollout',
      [
        [1, 2, 3],
        [1, 2, 3, 4, 5],
        [1, 6],
      ],
      [1 / 6, 1 / 6, 1 / 2],
    ],
  ] as const)('follow samples %s and tokenWeighting %s', (samples, tokenWeighting, tokens, weights) => {
    const made = toSamples(episodes, { samples, tokenWeighting }, { of: () => 0 });
    expect(made.map((sample) => [...sample.tokens])).toEqual(tokens);
    made.forEach((sample, index) => expect(sample.tokenWeight).toBeCloseTo(weights[index]!, 9));
  });
});

describe('the advantages of rewards', () => {
  const episodes = [
    episodeOf('a', 'g', 1, [{ prompt: [1], response: [2, 3] }]),
    episodeOf('b', 'g', 0, [{ prompt: [1], response: [4] }]),
    episodeOf('c', 'h', undefined, [{ prompt: [1], response: [5] }]),
  ];

  it('are those of grpo times the weight, and 0 where there is no reward', () => {
    const reward = rewardAdvantages(episodes, { ...layout, rewardWeight: 0.5 }, undefined);
    const [a, b, c] = toSamples(episodes, layout, reward);
    const half = Math.fround(a!.tokenAdvantages[1]!);
    expect(half).toBeGreaterThan(0);
    expect([...a!.tokenAdvantages].map(Math.fround)).toEqual([0, half, half]);
    expect([...b!.tokenAdvantages].map(Math.fround)).toEqual([0, -half]);
    expect([...c!.tokenAdvantages]).toEqual([0, 0]);
    expect(reward.rewardRange).toBeDefined();
  });

  it('are nothing without a weight, also for equal rewards', () => {
    const reward = rewardAdvantages(episodes, { ...layout, rewardWeight: 0 }, undefined);
    for (const { tokenAdvantages } of toSamples(episodes, layout, reward))
      expect(tokenAdvantages.every((advantage) => advantage === 0)).toBe(true);
  });
});
