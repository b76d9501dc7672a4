import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arbitraryEpisodes, episodeOf } from '../../test/__fixtures__/episodes.ts';
import { seededRandom } from '../seeded-random.ts';
import { buildBatch, type LightningRLOptions } from './algorithm.ts';
import { splitMinibatches } from './minibatches.ts';

const options: LightningRLOptions = {
  credit: 'identical',
  estimator: 'grpo',
  samples: 'trajectory',
  tokenWeighting: 'rollout',
};

/** Groups of two rollouts each, of one call. */
const groups = (count: number): ReturnType<typeof episodeOf>[] =>
  Array.from({ length: count }, (_, group) =>
    [0, 1].map((reward) => episodeOf(`${group}-${reward}`, `g${group}`, reward, [{ prompt: [1], response: [2] }])),
  ).flat();

describe('splitMinibatches', () => {
  it('keeps groups whole and loses no sample', () => {
    fc.assert(
      fc.property(arbitraryEpisodes, fc.integer({ min: 1, max: 5 }), fc.nat(), (episodes, count, seed) => {
        const batch = buildBatch(episodes, options);
        const minibatches = splitMinibatches(batch, count, seededRandom(seed));
        expect(minibatches.flatMap(({ groupIds }) => groupIds).toSorted()).toEqual([...batch.groupIds].toSorted());
        expect(minibatches.reduce((sum, { samples }) => sum + samples.length, 0)).toBe(batch.samples.length);
        expect(minibatches.reduce((sum, { rolloutCount }) => sum + rolloutCount, 0)).toBe(batch.rolloutCount);
        for (const { samples, groupIds } of minibatches)
          expect(new Set(samples.map(({ groupId }) => groupId))).toEqual(new Set(groupIds));
      }),
    );
  });

  it('deals a group of more samples than a list of arguments may have', () => {
    const batch = buildBatch(groups(1), options);
    const samples = Array.from({ length: 200_000 }, () => batch.samples[0]!);
    expect(splitMinibatches({ ...batch, samples }, 2, seededRandom(1)).map((each) => each.samples.length)).toEqual([
      200_000,
    ]);
  });

  it('weighs each rollout 1 over the rollouts of its own minibatch, for each policy', () => {
    fc.assert(
      fc.property(arbitraryEpisodes, fc.integer({ min: 1, max: 5 }), fc.nat(), (episodes, count, seed) => {
        for (const { samples } of splitMinibatches(buildBatch(episodes, options), count, seededRandom(seed))) {
          for (const own of Map.groupBy(samples, ({ policy }) => policy).values()) {
            const rollouts = Map.groupBy(own, ({ rolloutId }) => rolloutId);
            for (const parts of rollouts.values()) {
              const weight = parts.reduce(
                (sum, sample) => sum + sample.tokenWeight * sample.lossMask.reduce((trained, bit) => trained + bit, 0),
                0,
              );
              expect(weight).toBeCloseTo(1 / rollouts.size, 10);
            }
          }
        }
      }),
    );
  });

  it('deals groups as evenly as whole groups allow', () => {
    const sizes = splitMinibatches(buildBatch(groups(7), options), 3, seededRandom(1)).map(
      ({ rolloutCount }) => rolloutCount,
    );
    expect(sizes.toSorted()).toEqual([4, 4, 6]);
  });

  it('deals large groups before small ones', () => {
    const large = [0, 1, 2, 3].map((index) =>
      episodeOf(`large-${index}`, 'large', index % 2, [{ prompt: [1], response: [2] }]),
    );
    for (const seed of [1, 2, 3]) {
      const minibatches = splitMinibatches(buildBatch([...groups(2), ...large], options), 2, seededRandom(seed));
      expect(minibatches.map(({ rolloutCount }) => rolloutCount)).toEqual([4, 4]);
    }
  });

  it('deals differently with other random numbers, and alike with the same', () => {
    const batch = buildBatch(groups(8), options);
    const dealt = (seed: number): string =>
      JSON.stringify(splitMinibatches(batch, 2, seededRandom(seed)).map(({ groupIds }) => groupIds));
    expect(dealt(1)).toBe(dealt(1));
    expect(new Set([1, 2, 3, 4].map(dealt)).size).toBeGreaterThan(1);
  });

  it('gives the batch itself back for a count of 1', () => {
    const batch = buildBatch(groups(1), options);
    expect(splitMinibatches(batch, 1, seededRandom(1))).toEqual([
      { samples: batch.samples, rolloutCount: 2, groupIds: ['g0'] },
    ]);
  });

  it('makes no more minibatches than there are groups', () => {
    expect(splitMinibatches(buildBatch(groups(2), options), 5, seededRandom(1))).toHaveLength(2);
    expect(splitMinibatches(buildBatch([], options), 5, seededRandom(1))).toEqual([]);
  });

  it.each([0, 1.5, -1, Number.NaN])('refuses a count of %d', (count) => {
    expect(() => splitMinibatches(buildBatch([], options), count, seededRandom(1))).toThrow(/number of minibatches is/);
  });
});
