import type { Episode, Transition } from '@agent-lightning/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { leftOutReasons, selectDemonstrations, type SelectionSettings } from './select-demonstrations.ts';

interface Sketch {
  readonly task: string;
  readonly reward: number | undefined;
  readonly status?: 'succeeded' | 'failed';
  /** The response of the only call; undefined for a rollout without one. */
  readonly response?: readonly number[] | undefined;
  readonly finishReason?: string;
}

function toEpisode(
  { task, reward, status = 'succeeded', response, finishReason = 'stop' }: Sketch,
  index: number,
): Episode {
  const call = {
    policy: 'policy',
    promptIds: Int32Array.of(1),
    responseIds: Int32Array.from(response ?? []),
    finishReason,
  };
  return {
    rollout: { rolloutId: `r${index}`, groupId: task, status, mode: 'train' },
    transitions: response === undefined ? [] : [call as unknown as Transition],
    reward,
  } as unknown as Episode;
}

const settings: SelectionSettings = {
  keep: 1,
  minReward: undefined,
  mustBeBetter: true,
  truncated: 'leave-out',
  dedupe: true,
};
const idsOf = (episodes: readonly Episode[]): readonly string[] => episodes.map(({ rollout }) => rollout.rolloutId);
const select = (sketches: readonly Sketch[], given: Partial<SelectionSettings> = {}) => {
  const { kept, leftOut } = selectDemonstrations(
    sketches.map(toEpisode),
    { ...settings, ...given },
    ({ rollout }) => rollout.groupId!,
  );
  return { kept: idsOf(kept), leftOut };
};

describe('selectDemonstrations', () => {
  it('keeps the best rollout of each task, where it beats the mean of its task', () => {
    const sketches = [
      { task: 'a', reward: 0, response: [1] },
      { task: 'a', reward: 1, response: [2] },
      { task: 'a', reward: 1, response: [3] },
      { task: 'b', reward: 0.5, response: [4] },
      { task: 'b', reward: 0.5, response: [5] },
    ];
    expect(select(sketches)).toEqual({ kept: ['r1'], leftOut: { notBetter: 3, surplus: 1 } });
    expect(select(sketches, { keep: 2 })).toEqual({ kept: ['r1', 'r2'], leftOut: { notBetter: 3 } });
    expect(select(sketches, { keep: 2, minReward: 0.5, mustBeBetter: false })).toEqual({
      kept: ['r1', 'r2', 'r3', 'r4'],
      leftOut: { belowMinReward: 1 },
    });
  });

  it('leaves out what failed, has no call, was cut off, has no reward, or was said before', () => {
    const sketches: Sketch[] = [
      { task: 'a', reward: 0, response: [1] },
      { task: 'a', reward: 1, response: [2] },
      { task: 'a', reward: 1, response: [2] },
      { task: 'a', reward: 5, response: [3], status: 'failed' },
      { task: 'a', reward: 1 },
      { task: 'a', reward: 1, response: [4], finishReason: 'length' },
      { task: 'a', reward: undefined, response: [5] },
    ];
    expect(select(sketches, { keep: 9, minReward: 1, mustBeBetter: false })).toEqual({
      kept: ['r1'],
      leftOut: { failed: 1, noCalls: 1, truncated: 1, noReward: 1, belowMinReward: 1, duplicate: 1 },
    });
    expect(
      select(sketches, { keep: 9, minReward: 1, mustBeBetter: false, dedupe: false, truncated: 'train' }).kept,
    ).toEqual(['r1', 'r2', 'r5']);
    expect(select(sketches, { keep: 9, mustBeBetter: false }).kept).toEqual(['r0', 'r1', 'r6']); // without a threshold no reward is needed
  });

  it('accounts for every rollout once, keeps at most `keep` of a task, none that is beaten by one left out as surplus, and does not depend on the order of tasks', () => {
    const sketch = fc.record({
      task: fc.constantFrom('a', 'b', 'c'),
      reward: fc.option(fc.constantFrom(0, 0.25, 0.5, 1), { nil: undefined }),
      status: fc.constantFrom('succeeded' as const, 'failed' as const),
      response: fc.option(fc.array(fc.constantFrom(1, 2), { minLength: 1, maxLength: 2 }), { nil: undefined }),
    });
    fc.assert(
      fc.property(
        fc.array(sketch, { maxLength: 20 }),
        fc.integer({ min: 1, max: 3 }),
        fc.boolean(),
        (sketches, keep, mustBeBetter) => {
          const minReward = mustBeBetter ? undefined : 0.5;
          const { kept, leftOut } = select(sketches, { keep, minReward, mustBeBetter });
          expect(kept.length + Object.values(leftOut).reduce((sum, count) => sum + count, 0)).toBe(sketches.length);
          expect(Object.keys(leftOut).every((reason) => (leftOutReasons as readonly string[]).includes(reason))).toBe(
            true,
          );
          for (const task of ['a', 'b', 'c'])
            expect(naiveKept(sketches, task, keep, minReward)).toEqual(
              kept.filter((id) => sketches[Number(id.slice(1))]!.task === task),
            );
        },
      ),
    );
  });
});

/** A second implementation: takes the best that is left, one after the other. */
function naiveKept(
  sketches: readonly Sketch[],
  task: string,
  keep: number,
  minReward: number | undefined,
): readonly string[] {
  const own = sketches.map((sketch, index) => ({ ...sketch, index })).filter((sketch) => sketch.task === task);
  const rewards = own.flatMap(({ reward }) => (reward === undefined ? [] : [reward]));
  const mean = rewards.reduce((sum, reward) => sum + reward, 0) / rewards.length;
  const chosen: typeof own = [];
  while (chosen.length < keep) {
    let best: (typeof own)[number] | undefined;
    for (const each of own) {
      if (each.status !== 'succeeded' || each.response === undefined || each.reward === undefined) continue;
      if (minReward === undefined ? each.reward <= mean : each.reward < minReward) continue;
      if (chosen.some(({ response }) => response!.join() === each.response!.join())) continue;
      if (best === undefined || each.reward > best.reward!) best = each;
    }
    if (best === undefined) break;
    chosen.push(best);
  }
  return chosen
    .map(({ index }) => index)
    .toSorted((a, b) => a - b)
    .map((index) => `r${index}`);
}
