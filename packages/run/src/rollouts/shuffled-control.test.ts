import { type Episode, type Rollout, type Transition, seededRandom } from '@agent-lightning/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { shuffleRewards } from './shuffled-control.ts';

function episodeOf(index: number, reward: number | undefined): Episode {
  const call = {
    callIndex: 0,
    reward: reward ?? 0,
    signals: [{ type: 'tool_ok', name: 'sql', spanId: 's' }],
  } as unknown as Transition;
  return {
    rollout: { rolloutId: `r${index}` } as Rollout,
    transitions: [call],
    untrainable: [],
    reward,
    rewards: reward === undefined ? {} : { primary: reward },
  };
}

describe('shuffleRewards', () => {
  it('gives the mark of a failure reward along with the reward', () => {
    const failed: Episode = { ...episodeOf(0, -1), failureKind: 'unknown', isFailureReward: true };
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const shuffled = shuffleRewards([failed, episodeOf(1, 1), episodeOf(2, 0)], seededRandom(seed, 'test'));
        expect(shuffled[0]!.failureKind).toBe('unknown');
        for (const { reward, isFailureReward } of shuffled) expect(isFailureReward === true).toBe(reward === -1);
      }),
    );
  });

  it('gives the same rewards to other rollouts, and none to those without', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.integer(), { nil: undefined })), fc.nat(), (rewards, seed) => {
        const shuffled = shuffleRewards(
          rewards.map((reward, index) => episodeOf(index, reward)),
          seededRandom(seed, 'test'),
        );
        const sorted = (values: readonly (number | undefined)[]): readonly number[] =>
          values.filter((value) => value !== undefined).sort((a, b) => a - b);
        expect(sorted(shuffled.map(({ reward }) => reward))).toEqual(sorted(rewards));
        shuffled.forEach(({ rollout, reward, rewards: named }, index) => {
          expect(rollout.rolloutId).toBe(`r${index}`);
          expect(reward === undefined).toBe(rewards[index] === undefined);
          expect(named['primary']).toBe(reward);
        });
      }),
    );
  });

  it('removes what single calls know of their worth', () => {
    const [episode] = shuffleRewards([{ ...episodeOf(0, 1), untrainedReward: 1 }], () => 0);
    expect(episode!.untrainedReward).toBeUndefined();
    expect(episode!.transitions[0]).toMatchObject({ reward: undefined, signals: [] });
  });
});
