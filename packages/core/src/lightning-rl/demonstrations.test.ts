import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arbitraryCalls, episodeOf, type CallShape } from '../../test/__fixtures__/episodes.ts';
import type { Episode } from '../transitions/transition.ts';
import type { TokenWeighting } from './batch.ts';
import { buildDemonstrations, type DemonstrationOptions } from './demonstrations.ts';
import { lossAndDerivative } from './losses.ts';

const byRollout: DemonstrationOptions = { samples: 'trajectory', tokenWeighting: 'rollout' };

describe('buildDemonstrations', () => {
  it('weighs tokens as computed by hand', () => {
    const episodes = [
      episodeOf('a', 'g', 1, [
        { prompt: [1, 2], response: [3] },
        { prompt: [1, 2, 3, 4], response: [5, 6] },
      ]),
      episodeOf('b', 'h', 0, [{ prompt: [7], response: [8, 9, 10] }]),
    ];
    const weights = (options: DemonstrationOptions): number[][] =>
      buildDemonstrations(episodes, options).map(({ advantages }) =>
        Array.from(advantages, (value) => Math.round(value * 1e4) / 1e4),
      );
    expect(weights(byRollout)).toEqual([
      [0, 0, 0.1667, 0, 0.1667, 0.1667], // 1 / (2 rollouts · 3 tokens)
      [0, 0.1667, 0.1667, 0.1667],
    ]);
    expect(weights({ ...byRollout, tokenWeighting: { constant: 10 } })[1]).toEqual([0, 0.05, 0.05, 0.05]);
    const three = [...episodes, episodeOf('c', 'i', 0, [{ prompt: [7], response: [1] }])];
    const kinds = buildDemonstrations(three, {
      ...byRollout,
      kindOf: ({ rollout }) => (rollout.rolloutId === 'a' ? 'odd' : 'even'),
    });
    const partOf = (rolloutId: string): number =>
      kinds
        .filter((sample) => sample.rolloutId === rolloutId)
        .reduce((sum, { advantages }) => sum + advantages.reduce((all, value) => all + value, 0), 0);
    expect(['a', 'b', 'c'].map(partOf).map((part) => Math.round(part * 1e4) / 1e4)).toEqual([0.5, 0.25, 0.25]);
  });

  it('has the loss of a second implementation that goes over the calls, whatever the layout, the weighting and the kinds', () => {
    const weighting = fc.constantFrom<TokenWeighting>('rollout', 'token', { constant: 7 });
    fc.assert(
      fc.property(
        fc.array(arbitraryCalls, { minLength: 1, maxLength: 4 }),
        weighting,
        fc.constantFrom('transition' as const, 'trajectory' as const),
        fc.boolean(),
        (rollouts, tokenWeighting, samples, hasKinds) => {
          const episodes = rollouts.map((calls, index) => episodeOf(`r${index}`, 'g', 1, calls));
          const kindOf = ({ rollout }: Episode): string => (rollout.rolloutId === 'r0' ? 'first' : 'other');
          const built = buildDemonstrations(episodes, { samples, tokenWeighting, ...(hasKinds ? { kindOf } : {}) });
          let loss = 0;
          for (const sample of built) {
            expect(sample.temperature).toBeUndefined();
            const lp = Float32Array.from(sample.tokens, (token, t) =>
              sample.lossMask[t] === 1 ? logprobOf(token) : 0,
            );
            loss += lossAndDerivative(sample, lp, { name: 'cross_entropy' }).loss;
          }
          expect(loss).toBeCloseTo(naiveLoss(rollouts, tokenWeighting, hasKinds), 4);
        },
      ),
    );
  });
});

/** Any number that depends on the token alone: then the loss does not depend on what stands before it. */
function logprobOf(token: number): number {
  return -0.1 - (token % 5) / 3;
}

function naiveLoss(rollouts: readonly (readonly CallShape[])[], weighting: TokenWeighting, hasKinds: boolean): number {
  const policies = new Set(rollouts.flat().map(({ policy = 'policy' }) => policy));
  const used = rollouts.map((calls, index) => ({ calls, index })).filter(({ calls }) => calls.length > 0);
  const kindOf = (index: number): string => (hasKinds ? (index === 0 ? 'first' : 'other') : 'all');
  const kinds = new Set(used.map(({ index }) => kindOf(index)));
  let loss = 0;
  for (const policy of policies) {
    const own = used
      .map(({ calls, index }) => ({
        index,
        tokens: calls.filter((call) => (call.policy ?? 'policy') === policy).flatMap(({ response }) => [...response]),
      }))
      .filter(({ tokens }) => tokens.length > 0);
    const all = own.reduce((sum, { tokens }) => sum + tokens.length, 0);
    for (const { index, tokens } of own) {
      const ofKind = used.filter((each) => kindOf(each.index) === kindOf(index)).length;
      const share = used.length / (kinds.size * ofKind);
      const weight =
        weighting === 'rollout'
          ? 1 / (own.length * tokens.length)
          : weighting === 'token'
            ? 1 / all
            : 1 / (own.length * weighting.constant);
      for (const token of tokens) loss -= share * weight * logprobOf(token);
    }
  }
  return loss;
}
