import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arrange, arbitraryWork, rewardOf, type Work } from '../../test/__fixtures__/parallel-work.ts';
import { rolloutOf } from '../../test/__fixtures__/episodes.ts';
import { toEpisode } from '../transitions/to-episode.ts';
import type { Episode } from '../transitions/transition.ts';
import { assignCredit, type Credit } from './credit-assignment.ts';
import { distancesFrom, distancesToEnd, findInfluence, positionsOf } from './influence.ts';

const credits: readonly Credit[] = ['identical', 'perStep', { perStep: 1 }, { perStep: 0.5 }, { discounted: 0.5 }];

/** The return and the position of each call, by its span. */
function creditOf(episode: Episode, credit: Credit): Record<string, readonly [number, string]> {
  const returns = assignCredit(episode, credit);
  const positions = positionsOf(episode.transitions);
  return Object.fromEntries(
    episode.transitions.map(({ spanId }, index) => [spanId, [returns[index]!, positions[index]!] as const]),
  );
}

const episodeIn = (work: Work, seed: number): Episode => toEpisode(rolloutOf('rollout'), arrange(work, seed));

describe('credit of parallel sub-agents', () => {
  it('gives a sub-agent nothing of what the other earned by itself, whoever answers first', () => {
    const two: Work = { parallel: [[{ call: 'a' }], [{ call: 'b', reward: 1 }]] };
    const orders = new Set<string>();
    for (let seed = 0; seed < 20; seed += 1) {
      const episode = episodeIn(two, seed);
      orders.add(episode.transitions.map(({ spanId }) => spanId).join());
      expect(
        [...Object.entries(creditOf(episode, { perStep: 1 }))].map(([id, [value]]) => [id, value]).toSorted(),
      ).toEqual([
        ['a', 0],
        ['b', 1],
      ]);
    }
    expect(orders).toEqual(new Set(['a,b', 'b,a']));
  });

  it('gives what came before both a part of both, and what came after a part of neither', () => {
    const work: Work = {
      sequence: [
        { call: 'plan', reward: 1 },
        {
          parallel: [
            [{ call: 'a', reward: 2 }],
            [
              { call: 'b1', reward: 4 },
              { call: 'b2', reward: 8 },
            ],
          ],
        },
        { call: 'sum', reward: 16 },
      ],
    };
    const byCall = creditOf(episodeIn(work, 3), { perStep: 0.5 });
    // plan → b1 → b2 → sum is the longest chain; a is one call from both ends.
    expect(byCall['plan']![0]).toBe(1 + 2 / 2 + 4 / 2 + 8 / 4 + 16 / 8);
    expect(byCall['a']![0]).toBe(2 + 16 / 2);
    expect(byCall['b1']![0]).toBe(4 + 8 / 2 + 16 / 4);
    expect(byCall['sum']![0]).toBe(16);
  });

  it.each(credits)('is the same for all orders of arrival: %j', (credit) => {
    fc.assert(
      fc.property(arbitraryWork, fc.nat(1000), fc.nat(1000), (work, one, other) => {
        expect(creditOf(episodeIn(work, one), credit)).toEqual(creditOf(episodeIn(work, other), credit));
      }),
      { numRuns: 60 },
    );
  });

  it('is conserved: the first call of a chain has all that follows it', () => {
    fc.assert(
      fc.property(arbitraryWork, fc.nat(1000), (work, seed) => {
        const episode = episodeIn({ sequence: [{ call: 'first' }, work] }, seed);
        expect(creditOf(episode, { perStep: 1 })['first']![0]).toBeCloseTo(rewardOf(work), 9);
      }),
      { numRuns: 60 },
    );
  });

  it('has the longest chains as distances, by a second implementation', () => {
    fc.assert(
      fc.property(arbitraryWork, fc.nat(1000), (work, seed) => {
        const influence = findInfluence(episodeIn(work, seed).transitions);
        const longest = (from: number, to: number): number =>
          from === to ? 0 : Math.max(-Infinity, ...influence[from]!.map((next) => 1 + longest(next, to)));
        const toEnd = distancesToEnd(influence);
        influence.forEach((influenced, from) => {
          const distances = distancesFrom(from, influence);
          expect([...distances.keys()]).toEqual(influenced);
          for (const [to, distance] of distances) expect(distance).toBe(longest(from, to));
          expect(toEnd[from]).toBe(Math.max(0, ...distances.values()));
        });
      }),
      { numRuns: 30 },
    );
  });
});
