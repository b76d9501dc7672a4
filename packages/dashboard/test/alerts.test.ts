import type { StepMetrics } from '@agent-lightning/run';
import { expect, it } from 'vitest';
import { findEvidence } from '../app/src/parts/evidence.ts';
import { findAlerts } from '../app/src/parts/find-alerts.ts';

const details = { id: 'a', steps: 6, hasStore: true } as Parameters<typeof findAlerts>[0];

function line(step: number, changes: object = {}): StepMetrics {
  return { step, rollouts: 10, failed: 0, transitions: 20, untrainableCalls: 0, ...changes } as StepMetrics;
}

const spend = (usd: number, unknown = 0): object => ({
  spend: { usd, tokens: 1, parts: { judge: { calls: 1, tokens: 1, usd, unknown } } },
});

it('tells what is odd in the newest steps, with links to its evidence', () => {
  expect(findAlerts(details, [])).toEqual([]);
  expect(findAlerts(details, [line(1), line(2)])).toEqual([]);
  const failing = findAlerts(details, [
    line(1, { failed: 9 }),
    ...[2, 3, 4, 5, 6].map((step) => line(step, { failed: 2 })),
  ]);
  expect(failing).toMatchObject([
    {
      title: 'failures',
      text: 'Of the 50 rollouts of steps 2-6, 10 failed (20 %).',
      links: [
        { to: '/runs/a/rollouts?steps=2-6&status=failed&mode=train' },
        { to: '/runs/a?metric=failed', text: 'Show the curve' },
      ],
    },
  ]);
  expect(findAlerts(details, [line(1, { untrainableCalls: 5, noSignal: 'all rewards are equal' })])).toMatchObject([
    {
      title: 'no signal',
      text: expect.stringContaining('all rewards are equal'),
      links: [{ to: '/runs/a/samples?step=1' }],
    },
    { title: 'untrainable calls', text: expect.stringContaining('5 cannot be trained on (20 %)') },
  ]);
});

it('tells of a step that cost far more than those before, and of a sum that is a lower bound', () => {
  const costs = [1, 2, 3, 4].map((usd, index) => line(index + 1, spend(usd)));
  expect(findAlerts(details, costs)).toEqual([]);
  expect(findAlerts(details, [...costs, line(5, spend(9, 2))])).toMatchObject([
    { title: 'spend', text: 'The newest step cost $5.0000, and the median of those before is $1.0000.' },
    { title: 'spend is a lower bound', text: expect.stringContaining('2 of judge') },
  ]);
});

it('leads from a finding to its rollouts and to its curve', () => {
  expect(findEvidence(details, 'flat-groups', 3).map(({ to }) => to)).toEqual([
    '/runs/a/groups?signal=none&steps=3-6',
    '/runs/a?metric=zeroVarianceShare',
  ]);
  expect(findEvidence(details, 'split-samples', 0)[0]!.to).toBe('/runs/a/samples?step=6');
  expect(findEvidence({ ...details, hasStore: false }, 'an-unknown-one', 2)).toEqual([]);
});
