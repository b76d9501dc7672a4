import type { Spend, StepMetrics } from '@agent-lightning/run';
import type { RunContext } from './run-context.ts';

/** Tells whether the spend of a run says something: not where a policy alone was asked, and nothing is limited. */
export function showsSpend({ meter, options }: Pick<RunContext<never>, 'meter' | 'options'>): boolean {
  const { judge, optimizer } = meter.spend.parts;
  return mayCost({ meter, options }) || judge.calls + optimizer.calls > 0;
}

/** Tells, before a run, whether it may cost something: agents ask their own models, or the algorithm asks one, or something is limited. */
export function mayCost({ meter, options: { algorithm } }: Pick<RunContext<never>, 'meter' | 'options'>): boolean {
  return meter.isLimited || !algorithm.uses.backend || (algorithm.models ?? []).length > 0;
}

/** Returns the spend of a run for a step's line; nothing where it says nothing. */
export function spendMetrics(context: Pick<RunContext<never>, 'meter' | 'options'>): Pick<StepMetrics, 'spend'> {
  const { tokens, usd, parts } = context.meter.spend;
  return showsSpend(context) ? { spend: { tokens, usd, parts: toPartMetrics(parts) } } : {};
}

/** Returns the figures of each part that asked a model, for a step's line. */
function toPartMetrics(parts: Spend['parts']): NonNullable<StepMetrics['spend']>['parts'] {
  const asked = Object.entries(parts).filter(([, { calls }]) => calls > 0);
  return Object.fromEntries(
    asked.map(([part, { calls, inputTokens, outputTokens, usd, withoutUsage, withoutPrice }]) => [
      part,
      { calls, tokens: inputTokens + outputTokens, usd, unknown: Math.max(withoutUsage, withoutPrice) },
    ]),
  );
}
