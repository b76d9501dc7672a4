import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { estimateAdvantages, estimators, type Estimator, type RolloutReturns } from './advantages.ts';

const returnsOf = (groupId: string, ...rollouts: number[][]): RolloutReturns[] =>
  rollouts.map((returns, index) => ({
    rolloutId: `${groupId}-${index}`,
    groupId,
    returns: Float64Array.from(returns),
  }));

const listed = (rollouts: readonly RolloutReturns[], estimator: Estimator): number[][] =>
  rollouts.map(({ rolloutId }) => [...(estimateAdvantages(rollouts, estimator).advantages.get(rolloutId) ?? [])]);

const eighths = fc.integer({ min: -8, max: 8 }).map((value) => value / 8);
const arbitraryRollouts = fc
  .array(
    fc.record({ group: fc.integer({ min: 0, max: 3 }), returns: fc.array(eighths, { minLength: 1, maxLength: 4 }) }),
    { minLength: 1, maxLength: 12 },
  )
  .map((shapes) =>
    shapes.map(({ group, returns }, index) => ({
      rolloutId: `r${index}`,
      groupId: `g${group}`,
      returns: Float64Array.from(returns),
    })),
  );

/** A second implementation: one weighted sample for each call, weight 1/K, and sums over them. */
function naiveAdvantages(
  rollouts: readonly RolloutReturns[],
  estimator: Estimator,
  rewardScale: number,
): Map<string, number[]> {
  const kept =
    estimator === 'reinforce++'
      ? keepAll(rollouts)
      : [...new Set(rollouts.map(({ groupId }) => groupId))].flatMap((id) =>
          keepAll(rollouts.filter(({ groupId }) => groupId === id)),
        );
  const center = (of: readonly RolloutReturns[]): number => weightedMean(of, (value) => value);
  const peers = (rollout: RolloutReturns): readonly RolloutReturns[] =>
    kept.filter(({ groupId }) => groupId === rollout.groupId);
  const spread = (of: readonly RolloutReturns[], from: (rollout: RolloutReturns) => number): number =>
    Math.sqrt((weightedMean(of, (value, rollout) => (value - from(rollout)) ** 2) * of.length) / (of.length - 1));
  const floor = 0.01 * rewardScale;
  const sizes = [...Map.groupBy(rollouts, ({ groupId }) => groupId).values()].map(({ length }) => length);
  const freedom = sizes.reduce((sum, size) => sum + size - 1, 0);
  const pooled = Math.sqrt(
    (weightedMean(kept, (value, rollout) => (value - center(peers(rollout))) ** 2) * kept.length) / freedom,
  );
  return new Map(
    kept.map((rollout) => {
      const group = peers(rollout);
      const advantage = (value: number): number => {
        if (estimator === 'dr_grpo') return value - center(group);
        if (estimator === 'grpo')
          return (
            (value - center(group)) /
            (Math.max(
              spread(group, () => center(group)),
              pooled,
              floor,
            ) +
              1e-6)
          );
        if (estimator === 'rloo') return value - center(group.filter((other) => other !== rollout));
        if (estimator === 'reinforce++')
          return (
            (value - center(kept)) /
            (Math.max(
              spread(kept, () => center(kept)),
              floor,
            ) +
              1e-6)
          );
        return (
          (value - center(group)) /
          (Math.max(
            spread(kept, (other) => center(peers(other))),
            floor,
          ) +
            1e-6)
        );
      };
      return [rollout.rolloutId, [...rollout.returns].map(advantage)];
    }),
  );
}

function weightedMean(
  rollouts: readonly RolloutReturns[],
  of: (value: number, rollout: RolloutReturns) => number,
): number {
  let sum = 0;
  for (const rollout of rollouts)
    for (const value of rollout.returns) sum += of(value, rollout) / rollout.returns.length;
  return sum / rollouts.length;
}

function keepAll(rollouts: readonly RolloutReturns[]): readonly RolloutReturns[] {
  const sequences = new Set(rollouts.map(({ returns }) => returns.join()));
  const values = new Set(rollouts.flatMap(({ returns }) => [...returns]));
  return sequences.size > 1 && values.size > 1 ? rollouts : [];
}

describe('estimateAdvantages', () => {
  // One task, three rollouts with returns 1, 0 and 0, of one, two and one calls: m = 1/3, s² = ((2/3)² + 2·(1/3)²)/2 = 1/3.
  const group = returnsOf('g', [1], [0, 0], [0]);

  it('computes grpo as by hand', () => {
    const scale = Math.sqrt(1 / 3) + 1e-6;
    const [first, second, third] = listed(group, 'grpo');
    expect(first![0]).toBeCloseTo(2 / 3 / scale, 12);
    expect(second).toHaveLength(2);
    for (const value of [...second!, ...third!]) expect(value).toBeCloseTo(-1 / 3 / scale, 12);
  });

  it('computes dr_grpo as by hand', () => {
    listed(group, 'dr_grpo')
      .flat()
      .forEach((value, index) => expect(value).toBeCloseTo(index === 0 ? 2 / 3 : -1 / 3, 12));
  });

  it('computes rloo as by hand', () => {
    expect(listed(group, 'rloo').flat()).toEqual([1, -0.5, -0.5, -0.5]);
  });

  it('computes reinforce++ over the batch as by hand', () => {
    // Returns 1, 0, 3, 2: m_B = 3/2, s_B² = (1/4 + 9/4 + 9/4 + 1/4)/3 = 5/3.
    const scale = Math.sqrt(5 / 3) + 1e-6;
    const values = listed([...returnsOf('a', [1], [0]), ...returnsOf('b', [3], [2])], 'reinforce++').flat();
    [-0.5, -1.5, 1.5, 0.5].forEach((difference, index) => expect(values[index]).toBeCloseTo(difference / scale, 12));
  });

  it('computes reinforce++-baseline as by hand', () => {
    // Differences from the group means 1/2 and 5/2: ±1/2 four times; s_B² = 4·(1/4)/3 = 1/3.
    const scale = Math.sqrt(1 / 3) + 1e-6;
    const values = listed([...returnsOf('a', [1], [0]), ...returnsOf('b', [3], [2])], 'reinforce++-baseline').flat();
    [0.5, -0.5, 0.5, -0.5].forEach((difference, index) => expect(values[index]).toBeCloseTo(difference / scale, 12));
  });

  it.each(estimators)('agrees with a second implementation: %s', (estimator) => {
    fc.assert(
      fc.property(arbitraryRollouts, fc.constantFrom(0.5, 1, 40), (rollouts, rewardScale) => {
        const { advantages } = estimateAdvantages(rollouts, estimator, rewardScale);
        const naive = naiveAdvantages(rollouts, estimator, rewardScale);
        expect(new Set(advantages.keys())).toEqual(new Set(naive.keys()));
        for (const [rolloutId, values] of advantages)
          values.forEach((value, k) => expect(value).toBeCloseTo(naive.get(rolloutId)![k]!, 8));
      }),
    );
  });

  it.each(estimators.filter((estimator) => estimator !== 'reinforce++'))(
    'sums to zero over each group, every rollout weighing 1: %s',
    (estimator) => {
      fc.assert(
        fc.property(arbitraryRollouts, (rollouts) => {
          const { advantages } = estimateAdvantages(rollouts, estimator);
          for (const members of Map.groupBy(rollouts, ({ groupId }) => groupId).values()) {
            const sum = members.reduce(
              (total, { rolloutId }) => total + meanOf(advantages.get(rolloutId) ?? new Float64Array([0])),
              0,
            );
            expect(sum).toBeCloseTo(0, 8);
          }
        }),
      );
    },
  );

  it('sums to zero over the batch, every rollout weighing 1: reinforce++', () => {
    fc.assert(
      fc.property(arbitraryRollouts, (rollouts) => {
        const { advantages } = estimateAdvantages(rollouts, 'reinforce++');
        expect([...advantages.values()].reduce((total, values) => total + meanOf(values), 0)).toBeCloseTo(0, 8);
      }),
    );
  });

  it.each(estimators)(
    'does not depend on how many calls a rollout took when all of them have its return: %s',
    (estimator) => {
      fc.assert(
        fc.property(
          fc.array(fc.record({ reward: eighths, calls: fc.integer({ min: 1, max: 5 }) }), {
            minLength: 2,
            maxLength: 8,
          }),
          (shapes) => {
            const many = returnsOf(
              'g',
              ...shapes.map(({ reward, calls }) => Array.from({ length: calls }, () => reward)),
            );
            const single = returnsOf('g', ...shapes.map(({ reward }) => [reward]));
            const estimated = estimateAdvantages(single, estimator).advantages;
            for (const [rolloutId, values] of estimateAdvantages(many, estimator).advantages) {
              for (const value of values) expect(value).toBeCloseTo(estimated.get(rolloutId)![0]!, 10);
            }
          },
        ),
      );
    },
  );

  it.each(estimators)('does not change when every return grows by the same amount: %s', (estimator) => {
    fc.assert(
      fc.property(arbitraryRollouts, eighths, (rollouts, shift) => {
        const shifted = rollouts.map((rollout) => ({
          ...rollout,
          returns: rollout.returns.map((value) => value + shift),
        }));
        const { advantages } = estimateAdvantages(shifted, estimator);
        for (const [rolloutId, values] of estimateAdvantages(rollouts, estimator).advantages) {
          values.forEach((value, k) => expect(advantages.get(rolloutId)![k]).toBeCloseTo(value, 8));
        }
      }),
    );
  });

  it.each(['dr_grpo', 'rloo'] as const)('estimates a group by itself: %s', (estimator) => {
    const alone = estimateAdvantages(group, estimator).advantages;
    const among = estimateAdvantages([...returnsOf('other', [5], [-3]), ...group], estimator).advantages;
    for (const [rolloutId, values] of alone) expect(among.get(rolloutId)).toEqual(values);
  });

  it('does not blow up the noise of a judge to a success and a failure', () => {
    const largest = (...returns: number[]): number =>
      Math.max(
        ...listed(returnsOf('g', ...returns.map((value) => [value])), 'grpo')
          .flat()
          .map(Math.abs),
      );
    const ofSuccess = largest(1, 0, 0, 0);
    expect(largest(0.7, 0.7, 0.7, 0.70001)).toBeLessThan(0.05 * ofSuccess);
    expect(largest(0.9001, 0.9002, 0.9003)).toBeLessThan(0.05 * ofSuccess);
    expect(largest(0.7, 0.7, 0.7, 0.8)).toBeCloseTo(ofSuccess, 4);
  });

  it('measures the noise of one group by the spread of the others', () => {
    // s² of the two groups: 1/3 and 0.01²/3; pooled: the mean of both.
    const rollouts = [...returnsOf('real', [1], [0], [0]), ...returnsOf('noisy', [0.51], [0.5], [0.5])];
    const pooled = Math.sqrt((1 / 3 + 0.0001 / 3) / 2);
    expect(listed(rollouts, 'grpo')[3]![0]).toBeCloseTo((0.01 * (2 / 3)) / (pooled + 1e-6), 10);
    expect(listed(rollouts, 'grpo')[0]![0]).toBeCloseTo(2 / 3 / (Math.sqrt(1 / 3) + 1e-6), 10);
  });

  it.each(['grpo', 'reinforce++', 'reinforce++-baseline'] as const)(
    'leaves what shaping alone tells apart as small as it is: %s',
    (estimator) => {
      // Eight failures, one of them with a failed tool.
      const failures = returnsOf('g', [-0.1], ...Array.from({ length: 7 }, () => [0])).map((rollout) => ({
        ...rollout,
        earned: new Float64Array(1),
      }));
      const estimate = estimateAdvantages(failures, estimator);
      expect(estimate.shapingOnlyGroups).toEqual(['g']);
      expect(estimate.advantages.get('g-0')![0]).toBeCloseTo(-0.1 * (7 / 8), 5);
      expect(estimateAdvantages(failures, estimator, 10).advantages.get('g-0')![0]).toBeCloseTo(-0.01 * (7 / 8), 5);
    },
  );

  it('drops and names groups whose returns are all equal', () => {
    const rollouts = [...returnsOf('same', [1], [1, 1]), ...returnsOf('mixed', [1], [0])];
    for (const estimator of ['grpo', 'dr_grpo', 'rloo', 'reinforce++-baseline'] as const) {
      const estimate = estimateAdvantages(rollouts, estimator);
      expect(estimate.zeroVarianceGroups).toEqual(['same']);
      expect([...estimate.advantages.keys()]).toEqual(['mixed-0', 'mixed-1']);
    }
  });

  it('keeps a group of equal returns under reinforce++, which compares it with the others', () => {
    const rollouts = [...returnsOf('same', [1], [1]), ...returnsOf('mixed', [1], [0])];
    expect(estimateAdvantages(rollouts, 'reinforce++').advantages.size).toBe(4);
    expect(estimateAdvantages(returnsOf('same', [1], [1]), 'reinforce++')).toMatchObject({
      zeroVarianceGroups: ['same'],
    });
  });

  it('drops a group whose rollouts all have the same discounted returns', () => {
    expect(estimateAdvantages(returnsOf('g', [0.5, 1], [0.5, 1]), 'grpo').zeroVarianceGroups).toEqual(['g']);
    expect(estimateAdvantages(returnsOf('g', [0.5, 1], [1]), 'grpo').zeroVarianceGroups).toEqual([]);
  });

  it('does not take the rounding of sums for a difference', () => {
    expect(0.1 + 0.2 + 0.3).not.toBe(0.3 + 0.2 + 0.1);
    expect(estimateAdvantages(returnsOf('g', [0.1 + 0.2 + 0.3], [0.3 + 0.2 + 0.1]), 'grpo').zeroVarianceGroups).toEqual(
      ['g'],
    );
  });

  it.each(estimators)('names a rollout that has nothing to be compared with: %s', (estimator) => {
    const estimate = estimateAdvantages(returnsOf('g', [1]), estimator);
    expect(estimate).toMatchObject({ singletonGroups: ['g'], zeroVarianceGroups: [] });
    expect(estimate.advantages.size).toBe(0);
    expect(estimateAdvantages([], estimator).advantages.size).toBe(0);
  });
});

function meanOf(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
