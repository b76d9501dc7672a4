import { describe, expect, it } from 'vitest';
import { episodeOf } from '../../test/__fixtures__/episodes.ts';
import type { Episode } from '../transitions/transition.ts';
import type { BatchSample, TokenWeighting } from './batch.ts';
import { weighSamples } from './loss-weights.ts';
import { buildSamples } from './samples.ts';

const tokens = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);
const call = (length: number): { prompt: number[]; response: number[] } => ({ prompt: [0], response: tokens(length) });

/** Every token's advantage 1, so that `advantages` are the weights. */
function unitSamples(
  episodes: readonly Episode[],
  weighting: TokenWeighting,
  layout: 'transition' | 'trajectory' = 'transition',
): readonly BatchSample[] {
  return weighSamples(
    episodes.flatMap((episode) =>
      buildSamples(episode, 'g', new Float64Array(episode.transitions.length).fill(1), layout),
    ),
    weighting,
  );
}

const totalWeight = (samples: readonly BatchSample[], rolloutId: string): number =>
  samples
    .filter((sample) => sample.rolloutId === rolloutId)
    .reduce(
      (sum, sample) =>
        sum + sample.tokenWeight * sample.segments.reduce((count, { start, end }) => count + end - start, 0),
      0,
    );

describe('weighSamples', () => {
  // Three rollouts: 50 and 100 tokens in two calls, 30 in three, 40 in one. N = 280.
  const episodes = [
    episodeOf('a', 'g', 1, [call(50), call(100)]),
    episodeOf('b', 'g', 1, [call(30), call(30), call(30)]),
    episodeOf('c', 'g', 1, [call(40)]),
  ];

  it('weighs each rollout 1/R under rollout, however many calls and tokens it has', () => {
    const samples = unitSamples(episodes, 'rollout');
    for (const id of ['a', 'b', 'c']) expect(totalWeight(samples, id)).toBeCloseTo(1 / 3, 12);
    expect(samples.map((sample) => sample.tokenWeight)).toEqual([1 / 450, 1 / 450, 1 / 270, 1 / 270, 1 / 270, 1 / 120]);
  });

  it('weighs each token the same under token', () => {
    for (const sample of unitSamples(episodes, 'token')) expect(sample.tokenWeight).toBe(1 / 280);
  });

  it('weighs each token by a constant under constant', () => {
    for (const sample of unitSamples(episodes, { constant: 200 })) expect(sample.tokenWeight).toBe(1 / 600);
  });

  it('weighs policies apart', () => {
    const mixed = [
      episodeOf('a', 'g', 1, [
        { ...call(2), policy: 'writer' },
        { ...call(8), policy: 'judge' },
      ]),
      episodeOf('b', 'g', 1, [{ ...call(4), policy: 'writer' }]),
    ];
    const samples = unitSamples(mixed, 'rollout');
    expect(samples.map(({ policy, tokenWeight }) => [policy, tokenWeight])).toEqual([
      ['writer', 1 / 4],
      ['judge', 1 / 8],
      ['writer', 1 / 8],
    ]);
  });

  it('folds the weight into the advantages and changes no sample that it was given', () => {
    const [sample] = buildSamples(episodes[2]!, 'g', Float64Array.of(-3), 'transition');
    const [weighed] = weighSamples([sample!], 'rollout');
    expect(weighed!.advantages.slice(1).every((value) => value === Math.fround(-3 / 40))).toBe(true);
    expect(weighed!.advantages[0]).toBe(0);
    expect(sample!.tokenWeight).toBe(1);
    expect(sample!.advantages[1]).toBe(-3);
  });
});
