import type { StepMetrics } from '@agent-lightning/run';
import type { RunDetails } from '../../../src/api.ts';
import { formatCount, formatShare } from '../format.ts';
import { pageOf } from '../page-of.ts';
import type { EvidenceLink } from './evidence.ts';

/** Something in the newest steps that a reader should look at, besides the ailments that the run names itself. */
export interface Alert {
  readonly title: string;
  readonly text: string;
  readonly links: readonly EvidenceLink[];
}

/** The steps that are looked at together. */
const lookedAt = 5;
/** Shares of the newest steps above which something is told, and the growth of a step's cost. */
const limits = { failed: 0.1, untrainable: 0.05, costGrowth: 3 };

/** Finds what else to look at in the newest steps: failures, calls that cannot be trained on, steps without a signal, and what they cost. */
export function findAlerts(details: RunDetails, metrics: readonly StepMetrics[]): readonly Alert[] {
  const newest = metrics.slice(-lookedAt);
  const last = newest.at(-1);
  if (last === undefined) return [];
  const range = newest.length === 1 ? String(last.step) : `${newest[0]!.step}-${last.step}`;
  const steps = newest.length === 1 ? `step ${range}` : `steps ${range}`;
  const link = (page: string, fields: Readonly<Record<string, string>>, text: string): readonly EvidenceLink[] =>
    details.hasStore ? [{ to: pageOf(['runs', details.id, page], fields), text }] : [];
  const curve = (metric: string): EvidenceLink => ({
    to: pageOf(['runs', details.id], { metric }),
    text: 'Show the curve',
  });
  const sum = (read: (line: StepMetrics) => number): number => newest.reduce((total, line) => total + read(line), 0);
  const [rollouts, failed] = [sum((line) => line.rollouts), sum((line) => line.failed)];
  const untrainable = sum((line) => line.untrainableCalls ?? 0);
  const calls = untrainable + sum((line) => line.transitions ?? 0);
  const { noSignal } = last as { readonly noSignal?: unknown };
  return [
    ...(typeof noSignal === 'string'
      ? [
          {
            title: 'no signal',
            text: `Step ${last.step} had nothing to learn from: ${noSignal}.`,
            links: link('samples', { step: String(last.step) }, 'Show what was left out'),
          },
        ]
      : []),
    ...(rollouts > 0 && failed / rollouts > limits.failed
      ? [
          {
            title: 'failures',
            text: `Of the ${formatCount(rollouts)} rollouts of ${steps}, ${formatCount(failed)} failed (${formatShare(failed / rollouts)}).`,
            links: [
              ...link('rollouts', { steps: range, status: 'failed', mode: 'train' }, 'Show them'),
              curve('failed'),
            ],
          },
        ]
      : []),
    ...(calls > 0 && untrainable / calls > limits.untrainable
      ? [
          {
            title: 'untrainable calls',
            text: `Of the ${formatCount(calls)} model calls of ${steps}, ${formatCount(untrainable)} cannot be trained on (${formatShare(untrainable / calls)}).`,
            links: [...link('samples', { step: String(last.step) }, 'Show why'), curve('untrainableCalls')],
          },
        ]
      : []),
    ...findSpendAlerts(metrics, curve('spend')),
  ];
}

function findSpendAlerts(metrics: readonly StepMetrics[], curve: EvidenceLink): readonly Alert[] {
  const spent = metrics.flatMap(({ spend }) => (spend === undefined ? [] : [spend.usd]));
  const costs = spent.map((usd, index) => usd - (spent[index - 1] ?? 0));
  const [last, ...before] = costs.toReversed();
  const usual = before.toSorted((a, b) => a - b)[Math.floor(before.length / 2)];
  const parts = Object.entries(metrics.at(-1)?.spend?.parts ?? {});
  const unknown = parts.flatMap(([part, { unknown: count }]) =>
    count > 0 ? [`${formatCount(count)} of ${part}`] : [],
  );
  return [
    ...(last !== undefined && usual !== undefined && usual > 0 && last > limits.costGrowth * usual
      ? [
          {
            title: 'spend',
            text: `The newest step cost $${last.toFixed(4)}, and the median of those before is $${usual.toFixed(4)}.`,
            links: [curve],
          },
        ]
      : []),
    ...(unknown.length > 0
      ? [
          {
            title: 'spend is a lower bound',
            text: `Calls without a price, or whose tokens nobody reported: ${unknown.join(', ')}.`,
            links: [curve],
          },
        ]
      : []),
  ];
}
