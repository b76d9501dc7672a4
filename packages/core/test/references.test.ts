/** The formulas of LightningRL give what those of verl, TRL, SkyRL, prime-rl and tinker-cookbook give. */
import { describe, expect, it } from 'vitest';
import { assignCredit } from '../src/lightning-rl/credit-assignment.ts';
import {
  estimateAdvantages,
  type AdvantageEstimate,
  type Estimator,
  type RolloutReturns,
} from '../src/lightning-rl/advantages.ts';
import type { BatchSample } from '../src/lightning-rl/batch.ts';
import { estimateGeneralizedAdvantages, whiten } from '../src/lightning-rl/generalized-advantages.ts';
import { weighSamples } from '../src/lightning-rl/loss-weights.ts';
import { lossAndDerivative, adjustBatch, type Loss } from '../src/index.ts';
import { episodeOf } from './__fixtures__/episodes.ts';
import { distance, readLossEdges, readReference } from './__fixtures__/references/read-reference.ts';

interface AdvantageCase {
  readonly group: readonly string[];
  readonly reward: readonly number[];
  readonly callsOfRollout: readonly number[];
  readonly verl: Readonly<Record<string, readonly number[]>>;
  readonly skyrl: Readonly<Record<string, readonly number[]>>;
  readonly trl: Readonly<Record<string, readonly number[]>>;
}

describe('advantages', () => {
  const cases = readReference<AdvantageCase>('advantages');
  // The tolerances are those of float32 and of other constants beside the deviation.
  const references: readonly [Estimator, (given: AdvantageCase) => readonly number[], number][] = [
    ['grpo', ({ verl }) => verl['grpo']!, 2e-6],
    ['grpo', ({ trl }) => trl['group']!, 2e-3],
    ['dr_grpo', ({ verl }) => verl['dr_grpo']!, 1e-6],
    ['rloo', ({ verl }) => verl['rloo']!, 1e-6],
    ['rloo', ({ skyrl }) => skyrl['rloo']!, 1e-6],
    ['reinforce++', ({ verl }) => verl['reinforce_plus_plus']!, 1e-4],
    ['reinforce++-baseline', ({ verl }) => verl['reinforce_plus_plus_baseline']!, 1e-4],
  ];

  it.each(references)('by %s are the same (%#)', (estimator, expected, tolerance) => {
    let compared = 0;
    for (const given of cases) {
      const rollouts = given.reward.map((reward, index) => ({
        rolloutId: `r${index}`,
        groupId: given.group[index]!,
        returns: new Float64Array(given.callsOfRollout[index]!).fill(reward),
      }));
      const { advantages, zeroVarianceGroups, singletonGroups } = estimateAsOthers(rollouts, estimator);
      // The others keep groups that we drop, which changes what they take over the whole batch.
      const isWhole = zeroVarianceGroups.length + singletonGroups.length === 0;
      if (!isWhole && estimator.startsWith('reinforce++')) continue;
      const kept = rollouts.flatMap(({ rolloutId }, index) => (advantages.has(rolloutId) ? [index] : []));
      const ours = kept.flatMap((index) => [...new Set(advantages.get(`r${index}`))]);
      expect(
        distance(
          ours,
          kept.map((index) => expected(given)[index]!),
        ),
      ).toBeLessThan(tolerance);
      compared += kept.length;
    }
    expect(compared).toBeGreaterThan(50);
  });
});

/** Estimates advantages without what only ours has: no smallest spread, and for `grpo` each group by itself, so that none is pooled. */
function estimateAsOthers(rollouts: readonly RolloutReturns[], estimator: Estimator): AdvantageEstimate {
  const batches = estimator === 'grpo' ? Map.groupBy(rollouts, ({ groupId }) => groupId).values() : [rollouts];
  const estimates = [...batches].map((batch) => estimateAdvantages(batch, estimator, Number.MIN_VALUE));
  return {
    advantages: new Map(estimates.flatMap(({ advantages }) => [...advantages])),
    zeroVarianceGroups: estimates.flatMap(({ zeroVarianceGroups }) => zeroVarianceGroups),
    singletonGroups: estimates.flatMap(({ singletonGroups }) => singletonGroups),
    shapingOnlyGroups: [],
  };
}
describe('advantages by a critic', () => {
  interface CriticCase {
    readonly rewards: readonly (readonly number[])[];
    readonly values: readonly (readonly number[])[];
    readonly mask: readonly (readonly number[])[];
    readonly gamma: number;
    readonly lambda: number;
    readonly returns: readonly (readonly number[])[];
    readonly advantages: readonly (readonly number[])[];
    readonly advantagesWhitened: readonly (readonly number[])[];
  }

  it('are those of verl, before and after they are whitened', () => {
    let compared = 0;
    for (const given of readReference<CriticCase>('gae')) {
      const rows = given.rewards.map((rewards, row) => {
        const [values, mask] = [given.values[row]!, given.mask[row]!];
        return estimateGeneralizedAdvantages(
          { rewards, values, mask },
          { discount: given.gamma, lambda: given.lambda },
        );
      });
      const sampled = <Value>(lists: readonly ArrayLike<Value>[]): Value[] =>
        lists.flatMap((list, row) => Array.from(list).filter((_, t) => given.mask[row]![t] === 1));
      const advantages = rows.map((row) => row.advantages);
      expect(distance(sampled(advantages), sampled(given.advantages))).toBeLessThan(1e-9);
      expect(distance(sampled(rows.map((row) => row.targets)), sampled(given.returns))).toBeLessThan(1e-9);
      const whitened = whiten(Float64Array.from(sampled(advantages)));
      expect(distance(whitened, sampled(given.advantagesWhitened))).toBeLessThan(1e-7);
      compared += whitened.length;
    }
    expect(compared).toBeGreaterThan(150);
  });
});

describe('credit', () => {
  interface CreditCase {
    readonly own: readonly number[];
    readonly terminal: number;
    readonly gamma: number;
    readonly 'perStep(gamma)': readonly number[];
    readonly 'discounted(gamma)': readonly number[];
  }

  it('is the same as verl’s returns', () => {
    for (const given of readReference<CreditCase>('credit')) {
      const calls = given.own.map((reward) => ({ prompt: [1], response: [2], reward }));
      const episode = episodeOf('r', 'g', given.terminal, calls);
      expect(distance(assignCredit(episode, { perStep: given.gamma }), given['perStep(gamma)'])).toBeLessThan(1e-6);
      expect(distance(assignCredit(episode, { discounted: given.gamma }), given['discounted(gamma)'])).toBeLessThan(
        1e-6,
      );
    }
  });
});

describe('losses', () => {
  interface LossCase {
    readonly low: number;
    readonly high: number;
    readonly row: {
      readonly lossMask: readonly number[];
      readonly logprobs: readonly number[];
      readonly advantages: readonly number[];
    };
    readonly lp: readonly number[];
    readonly losses: Readonly<Record<string, { readonly loss: number; readonly gradient: readonly number[] }>>;
  }
  const references: readonly [string, (bounds: { low: number; high: number }) => Loss][] = [
    ['ppo: verl vanilla clip_ratio_c=1e9', ({ low, high }) => ({ name: 'ppo', clipLow: low, clipHigh: high })],
    [
      'dual clip: verl vanilla clip_ratio_c=3',
      ({ low, high }) => ({ name: 'ppo', clipLow: low, clipHigh: high, dualClip: 3 }),
    ],
    ['importance_sampling: SkyRL', () => ({ name: 'importance_sampling' })],
    ['cispo: verl', ({ low, high }) => ({ name: 'cispo', clipLow: low, clipHigh: high })],
  ];

  it.each(references)('and their derivatives are the same: %s', (name, lossOf) => {
    const cases = readReference<LossCase>('losses').filter(({ losses }) => losses[name] !== undefined);
    expect(cases.length).toBeGreaterThan(10);
    for (const given of cases) {
      const { row } = given;
      const sample = {
        tokens: Int32Array.from(row.lossMask, (_, t) => t),
        lossMask: Uint8Array.from(row.lossMask),
        logprobs: Float32Array.from(row.logprobs),
        advantages: Float32Array.from(row.advantages),
      };
      const { loss, derivative } = lossAndDerivative(sample, given.lp, lossOf(given));
      expect(distance([loss], [given.losses[name]!.loss])).toBeLessThan(1e-6);
      expect(distance(derivative, given.losses[name]!.gradient)).toBeLessThan(1e-6);
    }
  });
});

it.each(readLossEdges())('the dual clip is verl’s where sampler and policy are far apart: %j', (edge) => {
  const [clipLow, clipHigh] = edge.clip;
  const sample = {
    tokens: Int32Array.of(0, 1),
    lossMask: Uint8Array.of(0, 1),
    logprobs: Float32Array.of(0, -edge.logRatio),
    advantages: Float32Array.of(0, edge.advantage),
  };
  const { loss, derivative } = lossAndDerivative(sample, [0, 0], { name: 'ppo', clipLow, clipHigh, dualClip: edge.c });
  expect(distance([loss, derivative[1]!], [edge.loss, edge.gradient])).toBeLessThan(1e-6);
});

describe('loss weights', () => {
  interface WeightCase {
    readonly L: number;
    readonly rolloutId: readonly string[];
    readonly mask: readonly (readonly number[])[];
    readonly advantages: readonly (readonly number[])[];
    readonly logRatioOfEveryToken: number;
    readonly clip: readonly [number, number];
    readonly oneRowARollout: boolean;
    readonly 'verl agg_loss': Readonly<Record<string, number>>;
  }

  it('give the loss that verl aggregates', () => {
    for (const given of readReference<WeightCase>('weights')) {
      const unweighed = given.mask.map((mask, index) =>
        sampleOf(given.rolloutId[index]!, mask, given.advantages[index]!),
      );
      const lossBy = (weighting: Parameters<typeof weighSamples>[1]): number =>
        weighSamples(unweighed, weighting).reduce((sum, sample) => {
          const now = sample.logprobs.map((q) => q + given.logRatioOfEveryToken);
          const [clipLow, clipHigh] = given.clip;
          return sum + lossAndDerivative(sample, now, { name: 'ppo', clipLow, clipHigh }).loss;
        }, 0);
      const theirs = given['verl agg_loss'];
      expect(distance([lossBy('token')], [theirs['token-mean']!])).toBeLessThan(1e-6);
      if (!given.oneRowARollout) continue; // the others count rows where we count rollouts
      expect(distance([lossBy('rollout')], [theirs['seq-mean-token-mean']!])).toBeLessThan(1e-6);
      expect(distance([lossBy({ constant: given.L })], [theirs['seq-mean-token-sum-norm']!])).toBeLessThan(1e-6);
    }
  });
});

describe('the penalty for leaving the reference', () => {
  interface PenaltyCase {
    readonly beta: number;
    readonly rows: readonly {
      readonly mask: readonly number[];
      readonly logprobs: readonly number[];
      readonly adv: readonly number[];
      readonly ref: readonly number[];
    }[];
    readonly advantages: readonly (readonly number[])[];
    readonly kl_policy_base: number;
  }

  it('is the same as tinker-cookbook’s', () => {
    for (const { beta, rows, advantages, kl_policy_base: divergence } of readReference<PenaltyCase>('kl-advantage')) {
      const given = rows.map((row, index) => sampleOf(`r${index}`, row.mask, row.adv, row.logprobs));
      const { samples, meanDivergence } = adjustBatch.byReference(
        given,
        rows.map(({ ref }) => ref),
        beta,
      );
      expect(distance([meanDivergence], [divergence])).toBeLessThan(1e-6);
      samples.forEach((sample, index) =>
        expect(distance(sample.tokenAdvantages, advantages[index]!)).toBeLessThan(1e-6),
      );
    }
  });
});

/** Returns a sample of one rollout whose trained tokens are one response. */
function sampleOf(
  rolloutId: string,
  mask: readonly number[],
  advantages: readonly number[],
  logprobs: readonly number[] = mask.map((bit) => -bit),
): BatchSample {
  const start = mask.indexOf(1);
  const end = mask.lastIndexOf(1) + 1;
  return {
    tokens: Int32Array.from(mask, (_, t) => t),
    lossMask: Uint8Array.from(mask),
    logprobs: Float32Array.from(logprobs),
    advantages: Float32Array.from(advantages),
    tokenAdvantages: Float64Array.from(advantages),
    tokenWeight: 1,
    rolloutId,
    groupId: 'g',
    policy: 'main',
    callIndexes: [0],
    policyVersions: [1],
    segments: [{ callIndex: 0, policyVersion: 1, start, end, advantage: advantages[start]! }],
  };
}
