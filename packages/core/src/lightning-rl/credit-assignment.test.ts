import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arbitraryEpisodes, arbitraryReward, episodeOf } from '../../test/__fixtures__/episodes.ts';
import type { Episode } from '../transitions/transition.ts';
import { assignCredit, hasReturn, type Credit } from './credit-assignment.ts';

const call = { prompt: [1], response: [2] };
/** Three calls, of which the second earned 0.5 by itself; the rollout earned 1. */
const episode = episodeOf('a', 'g', 1, [call, { ...call, reward: 0.5 }, call]);

const arbitraryEpisode = fc.tuple(arbitraryEpisodes, arbitraryReward).map(([episodes, untrainedReward]) => ({
  ...episodes[0]!,
  reward: episodes[0]!.reward ?? 0.25,
  untrainedReward,
}));
const arbitraryGamma = fc.integer({ min: 0, max: 100 }).map((percent) => percent / 100);

function returnOf({ reward, untrainedReward, transitions }: Episode): number {
  return (reward ?? 0) + untrainedReward! + transitions.reduce((sum, transition) => sum + (transition.reward ?? 0), 0);
}

/** A second implementation, from the definitions, with sums written out. */
function naiveCredit(rewarded: Episode, credit: Exclude<Credit, (...parameters: never[]) => unknown>): number[] {
  const own = rewarded.transitions.map((transition) => transition.reward ?? 0);
  const last = own.length - 1;
  const terminal = rewarded.reward! + rewarded.untrainedReward!;
  return own.map((_, k) => {
    if (credit === 'identical') return returnOf(rewarded);
    if (credit === 'perStep') return own[k]! + (k === last ? terminal : 0);
    if ('discounted' in credit) return credit.discounted ** (last - k) * returnOf(rewarded);
    let sum = 0;
    for (let j = k; j <= last; j += 1) sum += credit.perStep ** (j - k) * (own[j]! + (j === last ? terminal : 0));
    return sum;
  });
}

describe('assignCredit', () => {
  it('gives every call the return of its rollout under identical', () => {
    expect([...assignCredit(episode, 'identical')]).toEqual([1.5, 1.5, 1.5]);
  });

  it('discounts the return by the distance to the end', () => {
    expect([...assignCredit(episode, { discounted: 0.5 })]).toEqual([0.375, 0.75, 1.5]);
  });

  it('keeps per-call rewards and gives the last call the reward of the rollout', () => {
    expect([...assignCredit(episode, 'perStep')]).toEqual([0, 0.5, 1]);
  });

  it('sums discounted rewards to go', () => {
    expect([...assignCredit(episode, { perStep: 0.5 })]).toEqual([0.5, 1, 1]);
  });

  it('counts what calls earned that are not trained on as the rollout’s own', () => {
    const rewarded = { ...episode, untrainedReward: -0.25 };
    expect([...assignCredit(rewarded, 'identical')]).toEqual([1.25, 1.25, 1.25]);
    expect([...assignCredit(rewarded, { discounted: 0.5 })]).toEqual([0.3125, 0.625, 1.25]);
    expect([...assignCredit(rewarded, 'perStep')]).toEqual([0, 0.5, 0.75]);
    expect([...assignCredit(rewarded, { perStep: 1 })]).toEqual([1.25, 1.25, 0.75]);
  });

  it('adds intermediate rewards to the calls’ own', () => {
    expect([...assignCredit(episode, 'perStep', [-0.25, 0, 0])]).toEqual([-0.25, 0.5, 1]);
    expect([...assignCredit(episode, 'identical', [-0.25, 0, 0])]).toEqual([1.25, 1.25, 1.25]);
  });

  it('hands the episode and the calls’ own rewards to a function', () => {
    const credit = assignCredit(episode, (given, own) => own.map((reward) => reward + given.reward!), [0, 0, 0.125]);
    expect([...credit]).toEqual([1, 1.5, 1.125]);
  });

  it('agrees with a second implementation', () => {
    fc.assert(
      fc.property(arbitraryEpisode, arbitraryGamma, (rewarded, gamma) => {
        for (const credit of ['identical', 'perStep', { discounted: gamma }, { perStep: gamma }] as const) {
          const naive = naiveCredit(rewarded, credit);
          assignCredit(rewarded, credit).forEach((value, k) => expect(value).toBeCloseTo(naive[k]!, 10));
        }
      }),
    );
  });

  it('conserves the return: as the mean under identical, as the sum under perStep, as the first of perStep with γ = 1', () => {
    fc.assert(
      fc.property(arbitraryEpisode, (rewarded) => {
        const total = returnOf(rewarded);
        const identical = assignCredit(rewarded, 'identical');
        expect(identical.reduce((sum, value) => sum + value, 0) / identical.length).toBeCloseTo(total, 10);
        expect(assignCredit(rewarded, 'perStep').reduce((sum, value) => sum + value, 0)).toBeCloseTo(total, 10);
        expect(assignCredit(rewarded, { perStep: 1 })[0]).toBeCloseTo(total, 10);
      }),
    );
  });

  it('discounts from each call to the one before', () => {
    fc.assert(
      fc.property(arbitraryEpisode, arbitraryGamma, (rewarded, gamma) => {
        const returns = assignCredit(rewarded, { discounted: gamma });
        expect(returns.at(-1)).toBeCloseTo(returnOf(rewarded), 10);
        for (let k = 0; k + 1 < returns.length; k += 1) expect(returns[k]).toBeCloseTo(gamma * returns[k + 1]!, 10);
      }),
    );
  });

  it('is identical when nothing is discounted, and perStep when everything is', () => {
    fc.assert(
      fc.property(arbitraryEpisode, (rewarded) => {
        expect(assignCredit(rewarded, { discounted: 1 })).toEqual(assignCredit(rewarded, 'identical'));
        expect(assignCredit(rewarded, { perStep: 0 })).toEqual(assignCredit(rewarded, 'perStep'));
      }),
    );
  });

  it('gives an episode without calls no returns', () => {
    for (const credit of ['identical', 'perStep', { discounted: 0.5 }, { perStep: 0.5 }] as const) {
      expect(assignCredit(episodeOf('a', 'g', 1, []), credit)).toHaveLength(0);
    }
  });

  it('refuses rewards and returns that are no numbers of a size to train on, naming the rollout', () => {
    expect(() => assignCredit(episodeOf('a', 'g', Number.NaN, [call]), 'identical')).toThrow(
      /reward of rollout a is NaN/,
    );
    expect(() => assignCredit(episodeOf('a', 'g', 1, [{ ...call, reward: Infinity }]), 'identical')).toThrow(
      /reward of call 0 of rollout a is Infinity/,
    );
    expect(() => assignCredit(episode, () => [1, Number.NaN, 1])).toThrow(/return of call 1 of rollout a is NaN/);
    expect(() => assignCredit(episode, () => [1, 2, -1.1e15])).toThrow(
      /return of call 2 of rollout a is -1100000000000000/,
    );
    expect(() => assignCredit(episode, () => [1])).toThrow(/1 returns for 3 calls/);
    expect(() => assignCredit(episode, 'identical', [0])).toThrow(/3 calls and 1 intermediate rewards/);
  });

  it.each([{ discounted: 1.1 }, { discounted: Number.NaN }, { perStep: -0.1 }, 'other', null, {}])(
    'refuses the option %j',
    (credit) => {
      expect(() => assignCredit(episode, credit as Credit)).toThrow(/credit is .*; give/);
    },
  );
});

describe('hasReturn', () => {
  it('needs the reward of the rollout where credit spreads it', () => {
    const unrewarded = episodeOf('a', 'g', undefined, [{ ...call, reward: 1 }]);
    expect(hasReturn(unrewarded, 'identical')).toBe(false);
    expect(hasReturn(unrewarded, { discounted: 0.9 })).toBe(false);
    expect(hasReturn(episode, 'identical')).toBe(true);
  });

  it('makes do with per-call rewards where credit keeps them and the rollout succeeded', () => {
    const shaped = [{ ...call, reward: 1 }, call];
    expect(hasReturn(episodeOf('a', 'g', undefined, shaped), 'perStep')).toBe(true);
    expect(hasReturn(episodeOf('a', 'g', undefined, shaped), { perStep: 0.9 })).toBe(true);
    expect(hasReturn(episodeOf('a', 'g', undefined, shaped, { status: 'failed' }), 'perStep')).toBe(false);
    expect(hasReturn(episodeOf('a', 'g', undefined, [call]), 'perStep')).toBe(false);
    expect(hasReturn({ ...episodeOf('a', 'g', undefined, [call]), untrainedReward: 0 }, 'perStep')).toBe(true);
  });
});
