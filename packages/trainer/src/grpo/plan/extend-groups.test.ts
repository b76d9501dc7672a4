import type { Episode, PlannedRollout, Rollout, Transition } from '@agent-lightning/core';
import { planGroups } from '@agent-lightning/run';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { extendGroups, type ExtensionLimits } from './extend-groups.ts';
import { groupRewards, isFailed, isFlat, plainReward, readRewards, widenRange } from './group-rewards.ts';

const episodeOf = (reward: number | undefined, call?: number): Episode => ({
  rollout: { rolloutId: 'r', status: reward === undefined && call === undefined ? 'failed' : 'succeeded' } as Rollout,
  transitions: call === undefined ? [] : [{ reward: call } as Transition],
  untrainable: [],
  reward,
  rewards: {},
});

const limits: ExtensionLimits = { rolloutsPerFailedGroup: 2, groups: 3, furtherGroups: 2 };

/** Says what a step with these rewards gets more: the keys of its rollouts, and the number of further tasks. */
function extend(
  rewards: readonly (readonly (number | undefined)[])[],
  options: { readonly more?: readonly (readonly PlannedRollout[])[]; readonly limits?: Partial<ExtensionLimits> } = {},
): { readonly keys: readonly string[]; readonly tasks: number } {
  const planned = rewards.flatMap(
    (group, index) => options.more?.[index] ?? planGroups(1, ['task'], [0], group.length, undefined, index),
  );
  const groups = groupRewards(
    planned,
    rewards.flat().map((reward) => episodeOf(reward)),
  );
  const { rollouts, tasks } = extendGroups(groups, widenRange(undefined, groups), { ...limits, ...options.limits });
  return { keys: rollouts.map(({ key }) => key), tasks };
}

describe('what a step gets more', () => {
  it('is nothing when every group teaches something', () => {
    expect(extend([[0, 1], [1, 0], [0, 1]])).toEqual({ keys: [], tasks: 0 }); // prettier-ignore
  });

  it('fills up a group that lost members, once', () => {
    const first = extend([
      [0, undefined, 1, undefined],
      [0, 1],
      [0, 1],
    ]);
    expect(first).toEqual({ keys: ['s1.g0.k4', 's1.g0.k5'], tasks: 0 });
    const filled = planGroups(1, ['task'], [0], 4).map((each, index) =>
      index < 2 ? each : { ...each, metadata: { ...each.metadata, more: 'lost' } },
    );
    expect(
      extend(
        [
          [0, undefined, 1, undefined],
          [0, 1],
          [0, 1],
        ],
        { more: [filled] },
      ),
    ).toEqual({ keys: [], tasks: 0 });
  });

  it('gives a group whose members all failed more rollouts, once; and then another task in its place', () => {
    const first = extend([
      [0, 0],
      [0, 1],
      [0, 1],
    ]);
    expect(first).toEqual({ keys: ['s1.g0.k2', 's1.g0.k3'], tasks: 0 });
    const extended = planGroups(1, ['task'], [0], 4).map((each, index) =>
      index < 2 ? each : { ...each, metadata: { ...each.metadata, more: 'failed' } },
    );
    const rewards = [
      [0, 0, 0, 0],
      [0, 1],
      [0, 1],
    ];
    expect(extend(rewards, { more: [extended] })).toEqual({ keys: [], tasks: 1 });
    expect(extend([[0, 0, 1, 0], ...rewards.slice(1)], { more: [extended] })).toEqual({ keys: [], tasks: 0 });
  });

  it('takes another task in place of each group that is solved, up to the limit', () => {
    const solved = [1, 1];
    expect(extend([solved, [0, 1], solved])).toEqual({ keys: [], tasks: 2 });
    expect(extend([solved, solved, solved])).toEqual({ keys: [], tasks: 2 });
    expect(extend([solved, solved, [0, 1]], { limits: { furtherGroups: 1 } })).toEqual({ keys: [], tasks: 1 });
    expect(extend([solved, [0, 1], [0, 1], solved]).tasks).toBe(1); // one was taken before, and is solved too
    expect(extend([solved, [0, 1], [0, 1], [0, 1]]).tasks).toBe(0);
  });

  it('is nothing when nothing has a reward', () => {
    expect(extend([[undefined, undefined], [undefined]])).toEqual({ keys: [], tasks: 0 });
  });

  it('ends: whatever the rewards are, four extensions are enough', () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.option(fc.constantFrom(0, 0.5, 1), { nil: undefined })), (rewards) => {
        let planned = planGroups(1, ['task'], [0, 0, 0], 4);
        const episodes: Episode[] = [];
        const rounds: number[] = [];
        for (let round = 0; round < 9; round += 1) {
          while (episodes.length < planned.length) episodes.push(episodeOf(rewards.next().value));
          const groups = groupRewards(planned, episodes);
          const { rollouts, tasks } = extendGroups(groups, widenRange(undefined, groups), limits);
          const indexes = Array.from({ length: tasks }, () => 0);
          const further = planGroups(1, ['task'], indexes, 4, undefined, groups.length);
          planned = [...planned, ...rollouts, ...further];
          rounds.push(planned.length);
          expect(new Set(planned.map(({ key }) => key)).size).toBe(planned.length);
          // lost members once, half a group for a failed one, and two further groups
          for (const group of groups) expect(group.planned.length).toBeLessThanOrEqual(4 + 4 + 2);
          expect(groups.length).toBeLessThanOrEqual(5);
        }
        expect(rounds.at(-1)).toBe(rounds.at(-2));
      }),
    );
  });
});

describe('the rewards of a group', () => {
  it('are flat when all are equal but for rounding, and failed when that is the lowest of the run', () => {
    expect([[1, 1 + 1e-12], [0.1, 0.2], [1], []].map((rewards) => isFlat({ rewards }))).toEqual([
      true,
      false,
      false,
      false,
    ]);
    const range = { lowest: -1, highest: 1 };
    expect(
      [
        [-1, -1],
        [0, 0],
        [1, 1],
        [-1, 0],
      ].map((rewards) => isFailed({ rewards, earned: rewards }, range)),
    ).toEqual([true, false, false, false]);
    const only = (reward: number): boolean =>
      isFailed({ rewards: [reward, reward], earned: [reward, reward] }, { lowest: reward, highest: reward });
    expect([only(0), only(-2), only(1)]).toEqual([true, true, false]);
  });

  it('are failed where each one failed or earned the lowest, however low the reward of a failure is', () => {
    const failed: Episode = {
      ...episodeOf(-9),
      rollout: { rolloutId: 'r', status: 'failed' } as Rollout,
      isFailureReward: true,
    };
    const failedAs = (...group: readonly Episode[]): boolean => {
      const rewards = readRewards(group);
      return isFailed(rewards, widenRange({ lowest: 0, highest: 1 }, [rewards]));
    };
    expect(failedAs(episodeOf(0), episodeOf(0))).toBe(true);
    expect(failedAs(failed, episodeOf(0))).toBe(true);
    expect(failedAs(failed, failed)).toBe(true);
    expect(failedAs(failed, episodeOf(1))).toBe(false);
    expect(failedAs(failed)).toBe(false);
    const onlyFailed = readRewards([failed, failed]);
    expect(isFailed(onlyFailed, widenRange(undefined, [onlyFailed]))).toBe(true);
  });

  it('are those that the agent earned, its calls included, without what a formula added', () => {
    expect([episodeOf(1), episodeOf(1, 0.5), episodeOf(undefined, 0.5), episodeOf(undefined)].map(plainReward)).toEqual(
      [1, 1.5, 0.5, undefined],
    );
    const signals = [{ type: 'tool_error', name: 'sql', spanId: 's' }] as const;
    const failedTool = { ...episodeOf(0), transitions: [{ signals } as unknown as Transition] };
    expect(plainReward(failedTool)).toBe(0);
  });

  it('widen the range of the run', () => {
    expect(widenRange(undefined, [{ earned: [] }])).toBeUndefined();
    expect(widenRange(undefined, [{ earned: [0.5] }, { earned: [2, -1] }])).toEqual({ lowest: -1, highest: 2 });
    expect(widenRange({ lowest: 0, highest: 3 }, [{ earned: [1] }])).toEqual({ lowest: 0, highest: 3 });
  });
});
