import { buildBatch, seededRandom } from '@agent-lightning/core';
import { toyEpisode } from '../agents/toy-episode.ts';
import type { LearningCase } from '../learning-case.ts';

const limits = { timesBetter: 2.5, error: 1e-9 };
const groups = 3_000;
const groupSize = 8;
const calls = 12;
/** The probability of the reply that earns 1 at each call. */
const likely = 0.9;

/** A baseline for each position tells which call was good where one baseline for a whole group does not. */
export const positions: LearningCase = {
  name: 'positions',
  summary:
    'baselines by position: three rows are exact, and the gradient of dense rewards has 2.5 times the signal-to-noise',
  run: async () => {
    const rows = measureRows();
    const byPosition = signalToNoise((rewards) => advantagesOf({ perStep: 1 }, rewards));
    const byGroup = signalToNoise(compareWithGroup);
    const timesBetter = byPosition / byGroup;
    const isExact = rows.every(({ got, wanted }) => Math.abs(got - wanted) <= limits.error);
    const figures = { limits, groups, groupSize, calls, likely, rows, byPosition, byGroup, timesBetter };
    return { ok: isExact && timesBetter >= limits.timesBetter, figures };
  },
};

type Row = { readonly what: string; readonly got: number; readonly wanted: number };

function measureRows(): readonly Row[] {
  const two = advantagesOf({ perStep: 1 }, [
    [1, 1],
    [1, 0],
  ]);
  const dense = advantagesOf({ perStep: 1 }, [
    [1, 1, 1, 1, 1],
    [1, 1, 1, 1, 1],
    [1, 1, 1, 1, 1],
    [1, 1, 1, 1, 0],
  ]);
  const outcomes = [1, 1, 1, 1, 1, 1, 1, 0];
  const discounted = advantagesOf(
    { discounted: 0.9 },
    outcomes.map((outcome) => [0, 0, 0, 0, outcome]),
  );
  return [
    { what: 'of two, the winner’s deciding call', got: two[0]![1]!, wanted: 0.5 },
    { what: 'dense, a winner’s last call', got: dense[0]![4]!, wanted: 1 / 3 },
    { what: 'dense, the loser’s first call', got: dense[3]![0]!, wanted: -1 },
    { what: 'discounted, a winner’s first call', got: discounted[0]![0]!, wanted: 0.9 ** 4 / 7 },
  ];
}

function advantagesOf(
  credit: { readonly perStep: number } | { readonly discounted: number },
  rewards: readonly (readonly number[])[],
): readonly (readonly number[])[] {
  const episodes = rewards.map((own, index) =>
    toyEpisode(
      `rollout ${index}`,
      'task',
      0,
      own.map((reward) => ({ reward })),
    ),
  );
  const { advantages } = buildBatch(episodes, {
    credit,
    estimator: 'dr_grpo',
    samples: 'transition',
    tokenWeighting: 'rollout',
  });
  return rewards.map((own, index) => [...(advantages.get(`rollout ${index}`) ?? own.map(() => 0))]);
}

/** Returns the advantages by one mean for the whole group, as they were before: reward-to-go minus the mean of the rollouts' means. */
function compareWithGroup(rewards: readonly (readonly number[])[]): readonly (readonly number[])[] {
  const returns = rewards.map((own) => own.map((_, k) => own.slice(k).reduce((sum, reward) => sum + reward, 0)));
  const center = mean(returns.map(mean));
  return returns.map((own) => own.map((value) => value - center));
}

/** Returns |mean| over the root of the summed variances of the gradient by each call's logit, over many groups. */
function signalToNoise(estimate: (rewards: readonly (readonly number[])[]) => readonly (readonly number[])[]): number {
  const random = seededRandom(0, 'positions');
  const sums = new Float64Array(calls);
  const squares = new Float64Array(calls);
  for (let group = 0; group < groups; group += 1) {
    const rewards = Array.from({ length: groupSize }, () =>
      Array.from({ length: calls }, () => (random() < likely ? 1 : 0)),
    );
    const advantages = estimate(rewards);
    for (let k = 0; k < calls; k += 1) {
      const gradient = mean(rewards.map((own, index) => (own[k]! - likely) * advantages[index]![k]!));
      sums[k]! += gradient / groups;
      squares[k]! += gradient ** 2 / groups;
    }
  }
  const variance = squares.reduce((total, square, k) => total + square - sums[k]! ** 2, 0);
  return Math.hypot(...sums) / Math.sqrt(variance);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
