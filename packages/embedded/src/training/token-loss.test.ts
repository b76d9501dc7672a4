/** The losses of a token are those of verl and SkyRL. */
import type { Loss } from '@agent-lightning/core';
import { expect, it } from 'vitest';
import { distance, readLossEdges, readReference } from '../../../core/test/__fixtures__/references/read-reference.ts';
import { tokenLoss } from './token-loss.ts';

interface Case {
  readonly low: number;
  readonly high: number;
  readonly row: Readonly<Record<'lossMask' | 'logprobs' | 'advantages', readonly number[]>>;
  readonly lp: readonly number[];
  readonly losses: Readonly<Record<string, { readonly loss: number; readonly gradient: readonly number[] }>>;
}

it.each<[string, (bounds: Case) => Loss]>([
  ['ppo: verl vanilla clip_ratio_c=1e9', ({ low, high }) => ({ name: 'ppo', clipLow: low, clipHigh: high })],
  [
    'dual clip: verl vanilla clip_ratio_c=3',
    ({ low, high }) => ({ name: 'ppo', clipLow: low, clipHigh: high, dualClip: 3 }),
  ],
  ['importance_sampling: SkyRL', () => ({ name: 'importance_sampling' })],
  ['cispo: verl', ({ low, high }) => ({ name: 'cispo', clipLow: low, clipHigh: high })],
])('%s', (name, lossOf) => {
  const cases = readReference<Case>('losses').filter(({ losses }) => losses[name] !== undefined);
  expect(cases.length).toBeGreaterThan(10);
  for (const given of cases) {
    const { lossMask, logprobs, advantages } = given.row;
    const terms = lossMask.map((mask, t) =>
      mask === 0 ? { value: 0, slope: 0 } : tokenLoss(lossOf(given), given.lp[t]!, logprobs[t]!, advantages[t]!),
    );
    const loss = terms.reduce((sum, { value }) => sum + value, 0);
    expect(distance([loss], [given.losses[name]!.loss])).toBeLessThan(1e-6);
    expect(
      distance(
        terms.map(({ slope }) => slope),
        given.losses[name]!.gradient,
      ),
    ).toBeLessThan(1e-6);
  }
});

it.each(readLossEdges())('the dual clip is verl’s where sampler and policy are far apart: %j', (edge) => {
  const { logRatio, advantage, clip, c: dualClip } = edge;
  const { value, slope } = tokenLoss(
    { name: 'ppo', clipLow: clip[0], clipHigh: clip[1], dualClip },
    logRatio,
    0,
    advantage,
  );
  expect(distance([value, slope], [edge.loss, edge.gradient])).toBeLessThan(1e-6);
});
