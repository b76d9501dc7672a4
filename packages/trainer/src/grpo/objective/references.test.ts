/** The objectives that this package adds give what those of verl and TRL give. */
import { describe, expect, it } from 'vitest';
import { distance, readReference } from '../../../../core/test/__fixtures__/references/read-reference.ts';
import { objectiveAndDerivative, type Objective, type ObjectiveSample } from './objective.ts';
import { policyDrift } from './policy-drift.ts';
import { maskSequences } from './sequence-ratio.ts';

interface Case {
  readonly low: number;
  readonly high: number;
  readonly beta: number;
  readonly row: {
    readonly lossMask: readonly number[];
    readonly logprobs: readonly number[];
    readonly advantages: readonly number[];
    readonly tokenWeight: number;
    readonly segments: readonly { readonly start: number; readonly end: number }[];
  };
  readonly lp: readonly number[];
  readonly ref: readonly number[];
  readonly losses: Readonly<Record<string, { readonly loss?: number; readonly gradient: readonly number[] }>>;
  readonly drift: Readonly<Record<string, number>>;
  readonly maskBounds: { readonly low: number; readonly high: number };
  readonly keptOnRow: Readonly<Record<string, readonly number[]>>;
}

const cases = readReference<Case>('losses');

function sampleOf({ row, ref }: Case): ObjectiveSample {
  return {
    tokens: Int32Array.from(row.lossMask, (_, t) => t),
    lossMask: Uint8Array.from(row.lossMask),
    logprobs: Float32Array.from(row.logprobs),
    advantages: Float32Array.from(row.advantages),
    tokenWeight: row.tokenWeight,
    segments: row.segments,
    referenceLogprobs: Float64Array.from(ref),
  };
}

describe('objectives', () => {
  const references: readonly [string, (given: Case) => Objective][] = [
    [
      'tis: verl bypass reinforce token',
      ({ high }) => ({ loss: { name: 'truncated_importance_sampling', clipHigh: high } }),
    ],
    [
      'icepop: verl bypass reinforce lower_upper (gradient only)',
      ({ low, high }) => ({ loss: { name: 'icepop', clipLow: low, clipHigh: high } }),
    ],
    ['gspo: verl', ({ low, high }) => ({ loss: { name: 'gspo', clipLow: low, clipHigh: high } })],
    [
      'ppo + k3: TRL beta=beta*w, use_bias_correction_kl=False',
      ({ low, high, beta }) => ({ loss: { name: 'ppo', clipLow: low, clipHigh: high }, referenceKl: beta }),
    ],
  ];

  it.each(references)('and their derivatives are the same: %s', (name, objectiveOf) => {
    // The others take one sequence ratio for a row, we one for a call.
    const given = cases.filter(
      ({ losses, row }) => losses[name] !== undefined && (!name.startsWith('gspo') || row.segments.length === 1),
    );
    expect(given.length).toBeGreaterThan(5);
    for (const one of given) {
      const { loss, derivative } = objectiveAndDerivative(sampleOf(one), one.lp, objectiveOf(one));
      const theirs = one.losses[name]!;
      if (theirs.loss !== undefined) expect(distance([loss], [theirs.loss])).toBeLessThan(1e-6);
      expect(distance(derivative, theirs.gradient)).toBeLessThan(1e-6);
    }
  });
});

it('sequences are left out as verl leaves rows out', () => {
  const name = 'verl seq_mean_k1 1/high_1/low';
  const given = cases.filter(({ keptOnRow, row }) => keptOnRow[name] !== undefined && row.segments.length === 1);
  const kept = given.map((one) => [...maskSequences(sampleOf(one), one.lp, one.maskBounds).lossMask]);
  expect(kept).toEqual(given.map(({ keptOnRow }) => keptOnRow[name]));
  expect(new Set(kept.map((mask) => mask.includes(1)))).toEqual(new Set([true, false]));
});

it('the policy’s drift is measured as verl measures it', () => {
  for (const one of cases) {
    const drift = policyDrift([sampleOf(one)], [one.lp]);
    expect(distance([drift.klK1, drift.klK3], [one.drift['verl kl']!, one.drift['verl k3_kl']!])).toBeLessThan(1e-6);
    expect(distance([drift.effectiveSampleShare], [one.drift['verl eff_sample_size']!])).toBeLessThan(1e-6);
  }
});
