import type { StepMetrics } from '@agent-lightning/run';
import type { JSX } from 'preact';
import { formatNumber } from '../format.ts';
import { pageOf } from '../router.tsx';
import { Figure } from './figure.tsx';

/** Says what a run has spent so far, by who asked; it leads to the curve. Nothing where only a policy was asked and nothing is limited. */
export function SpendFigure({
  run,
  spend,
}: {
  readonly run: string;
  readonly spend: StepMetrics['spend'];
}): JSX.Element | undefined {
  if (spend === undefined) return undefined;
  const parts = Object.entries(spend.parts).filter(([, { calls }]) => calls > 0);
  const isLowerBound = parts.some(([, { unknown }]) => unknown > 0);
  return (
    <Figure
      name={`spent: ${parts.map(([part, { usd }]) => `${part} $${amount(usd)}`).join(', ') || 'no call'}`}
      to={pageOf(['runs', run], { metric: 'spend' })}
    >
      {isLowerBound ? '≥ ' : ''}${amount(spend.usd)} <small>{formatNumber(spend.tokens)} tokens</small>
    </Figure>
  );
}

/** Writes US dollars: cents from one dollar on, else two figures that count. */
function amount(usd: number): string {
  return usd >= 1 ? usd.toFixed(2) : String(Number(usd.toPrecision(2)));
}
