import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { episodeOf } from '../../test/__fixtures__/episodes.ts';
import { buildBatch } from './algorithm.ts';
import { baselinesByPosition } from './baselines.ts';
import type { Credit } from './credit-assignment.ts';

const placed = (...returns: number[][]): { returns: Float64Array; positions: string[] }[] =>
  returns.map((own) => ({ returns: Float64Array.from(own), positions: own.map((_, index) => `${index}`) }));

const call = { prompt: [1], response: [2] };

/** The advantages of a group whose calls earned these rewards, and whose rollouts earned `outcomes`. */
function advantagesOf(credit: Credit, rewards: readonly number[][], outcomes: readonly number[]): number[][] {
  const episodes = rewards.map((own, index) =>
    episodeOf(
      `r${index}`,
      'g',
      outcomes[index],
      own.map((reward) => ({ ...call, reward })),
    ),
  );
  const { advantages } = buildBatch(episodes, {
    credit,
    estimator: 'dr_grpo',
    samples: 'transition',
    tokenWeighting: 'rollout',
  });
  return episodes.map((_, index) => [...(advantages.get(`r${index}`) ?? [])]);
}

describe('baselinesByPosition', () => {
  it('compares a call with the same call of at least two others, else with the others as a whole', () => {
    // Positions 0 and 1 are reached by three, position 2 by two: its baseline is the mean of S over the others.
    const baselines = baselinesByPosition(placed([1, 2, 3], [4, 5, 6], [7, 8]));
    expect(baselines.map((own) => [...own])).toEqual([
      [5.5, 6.5, (5 + 7.5) / 2],
      [4, 5, (2 + 7.5) / 2],
      [2.5, 3.5],
    ]);
  });

  it('takes the mean of a rollout that was at a position several times', () => {
    const rollouts = [
      { returns: Float64Array.of(1, 5), positions: ['a', 'a'] },
      { returns: Float64Array.of(2), positions: ['a'] },
      { returns: Float64Array.of(4), positions: ['a'] },
    ];
    expect(baselinesByPosition(rollouts).map((own) => [...own])).toEqual([[3, 3], [3.5], [2.5]]);
  });

  it('agrees with a second implementation', () => {
    const arbitraryRollout = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.integer({ min: -8, max: 8 })), {
      minLength: 1,
      maxLength: 5,
    });
    fc.assert(
      fc.property(fc.array(arbitraryRollout, { minLength: 2, maxLength: 6 }), (shapes) => {
        const rollouts = shapes.map((calls) => ({
          returns: Float64Array.from(calls, ([, value]) => value),
          positions: calls.map(([position]) => position),
        }));
        const average = (values: readonly number[]): number =>
          values.reduce((sum, value) => sum + value, 0) / values.length;
        baselinesByPosition(rollouts).forEach((baselines, index) => {
          const others = shapes.filter((_, other) => other !== index);
          baselines.forEach((baseline, k) => {
            const here = others
              .map((calls) => calls.filter(([position]) => position === shapes[index]![k]![0]))
              .filter((calls) => calls.length > 0);
            const expected = (here.length > 1 ? here : others).map((calls) => average(calls.map(([, value]) => value)));
            expect(baseline).toBeCloseTo(average(expected), 10);
          });
        });
      }),
    );
  });
});

describe('the advantage of a call', () => {
  it('is that of its own position when every call earns, and one rollout fails its last', () => {
    const earned = [
      [1, 1, 1, 1, 1],
      [1, 1, 1, 1, 1],
      [1, 1, 1, 1, 1],
      [1, 1, 1, 1, 0],
    ];
    const advantages = advantagesOf({ perStep: 1 }, earned, [0, 0, 0, 0]);
    for (const winner of advantages.slice(0, 3)) winner.forEach((value) => expect(value).toBeCloseTo(1 / 3, 12));
    advantages[3]!.forEach((value) => expect(value).toBeCloseTo(-1, 12));
  });

  it('is positive for the winner of two, at the call that decided', () => {
    const [winner, loser] = advantagesOf(
      { perStep: 1 },
      [
        [1, 1],
        [1, 0],
      ],
      [0, 0],
    );
    // Only one other: the baseline is the other's mean, 1/2 for the winner and 3/2 for the loser.
    expect([winner, loser]).toEqual([
      [1.5, 0.5],
      [-0.5, -1.5],
    ]);
  });

  it('is positive for every call of those who succeed, however far from the end', () => {
    const outcomes = [1, 1, 1, 1, 1, 1, 1, 0];
    const advantages = advantagesOf(
      { discounted: 0.9 },
      outcomes.map(() => [0, 0, 0, 0, 0]),
      outcomes,
    );
    advantages.forEach((own, index) =>
      own.forEach((value, k) =>
        expect(value).toBeCloseTo(0.9 ** (4 - k) * (outcomes[index] === 1 ? 1 - 6 / 7 : -1), 12),
      ),
    );
  });

  it('compares an agent with itself: a role that is called only after a failure is not worse for it', () => {
    const turn = (agentName: string, reward: number) => ({ agentName, reward });
    const rollouts = [
      [turn('write', 0), turn('mend', 1)],
      [turn('write', 0), turn('mend', 1)],
      [turn('write', 0), turn('mend', 0)],
      [turn('write', 1)],
      [turn('write', 1)],
    ];
    const episodes = rollouts.map((calls, index) => {
      const episode = episodeOf(
        `r${index}`,
        'g',
        0,
        calls.map(({ reward }) => ({ ...call, reward })),
      );
      return {
        ...episode,
        transitions: episode.transitions.map((transition, k) => ({ ...transition, agentName: calls[k]!.agentName })),
      };
    });
    const { advantages } = buildBatch(episodes, {
      credit: 'perStep',
      estimator: 'dr_grpo',
      samples: 'transition',
      tokenWeighting: 'rollout',
    });
    expect([...advantages.values()].map(([, mend]) => mend)).toEqual([0.5, 0.5, -1, undefined, undefined]);
  });
});
