import type { Episode, Rollout, Transition } from '@agent-lightning/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ShuffledControl } from './shuffled-control.ts';

const shuffleRewards = (episodes: readonly Episode[], seed: number): readonly Episode[] =>
  new ShuffledControl({ seed, comparesSteps: false }).give(1, episodes, 'learn');

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

describe('a control that permutes rewards within a step', () => {
  it('gives the mark of a failure reward along with the reward', () => {
    const failed: Episode = { ...episodeOf(0, -1), failureKind: 'unknown', isFailureReward: true };
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const shuffled = shuffleRewards([failed, episodeOf(1, 1), episodeOf(2, 0)], seed);
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
          seed,
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

  it('gives the text that says why along with the reward', () => {
    const explained = [0, 1, 2].map((reward) => ({ ...episodeOf(reward, reward), feedback: `worth ${reward}` }));
    for (let seed = 0; seed < 20; seed += 1)
      for (const { reward, feedback } of shuffleRewards([...explained, episodeOf(3, undefined)], seed))
        expect(feedback).toBe(reward === undefined ? undefined : `worth ${reward}`);
  });

  it('removes what single calls know of their worth', () => {
    const [episode] = shuffleRewards([{ ...episodeOf(0, 1), untrainedReward: 1 }], 0);
    expect(episode!.untrainedReward).toBeUndefined();
    expect(episode!.transitions[0]).toMatchObject({ reward: undefined, signals: [] });
  });
});

describe('a control of an algorithm that compares steps', () => {
  const rewardLists = fc.array(fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined }), { minLength: 1 });
  const toEpisodes = (rewards: readonly (number | undefined)[]): readonly Episode[] =>
    rewards.map((reward, index) => ({ ...episodeOf(index, reward), feedback: `worth ${reward}` }));
  const read = (episodes: readonly Episode[]): readonly unknown[] =>
    episodes.map(({ reward, rewards, feedback }) => ({ reward, rewards, feedback }));
  const create = (seed: number): ShuffledControl => new ShuffledControl({ seed, comparesSteps: true });

  it('gives the first step rewards that do not depend on which rollout earned which', () => {
    fc.assert(
      fc.property(
        rewardLists,
        fc.nat(),
        fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
        (rewards, seed, keys) => {
          const permuted = rewards
            .map((reward) => ({ reward, key: keys.next().value }))
            .sort((one, other) => one.key - other.key)
            .map(({ reward }) => reward);
          for (const phase of ['extend', 'learn'] as const)
            expect(read(create(seed).give(1, toEpisodes(rewards), phase))).toEqual(
              read(create(seed).give(1, toEpisodes(permuted), phase)),
            );
        },
      ),
    );
  });

  it('gives later steps rewards that do not depend on theirs at all, also after a resume', () => {
    fc.assert(
      fc.property(rewardLists, rewardLists, rewardLists, fc.nat(), (first, one, other, seed) => {
        fc.pre(first.some((reward) => reward !== undefined));
        const given = [one, other].map((later) => {
          const control = create(seed);
          control.give(1, toEpisodes(first), 'learn');
          const resumed = create(seed);
          resumed.source = JSON.parse(JSON.stringify(control.source));
          const episodes = toEpisodes(Array.from({ length: 5 }, (_, index) => later[index]));
          expect(read(resumed.give(2, episodes, 'extend'))).toEqual(read(control.give(2, episodes, 'extend')));
          return read(control.give(2, episodes, 'learn'));
        });
        expect(given[0]).toEqual(given[1]);
        for (const { reward, feedback } of given[0] as { reward?: number; feedback?: string }[]) {
          expect(first).toContain(reward);
          expect(feedback).toBeUndefined();
        }
      }),
    );
  });
});
