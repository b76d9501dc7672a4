import type { Spend } from '@agent-lightning/run';
import type { JSX } from 'preact';
import type { RunDetails } from '../../../src/api.ts';
import { formatCount } from '../format.ts';

type Usage = Omit<Spend['models'][number], 'part' | 'model'>;

/** Says what the run has spent by part and model; nothing where only a policy was asked and nothing is limited. */
export function SpendTable({ details: { spend } }: { readonly details: RunDetails }): JSX.Element | undefined {
  if (spend === undefined || spend.models.length === 0) return undefined;
  const parts = Object.entries(spend.parts).filter(([, { calls }]) => calls > 0);
  const sum = (name: 'calls' | 'inputTokens' | 'outputTokens'): string =>
    formatCount(spend.models.reduce((total, model) => total + model[name], 0));
  return (
    <section class="card">
      <h2>What it spent</h2>
      <p class="hint">
        {formatCount(spend.rollouts)} rollouts in {spend.minutes.toFixed(1)} minutes, over all processes of the run;
        those that were thrown away, too. Dollars are by list prices and the prices that the run was given, an upper
        bound where a maker discounts what it has cached.
      </p>
      <div class="scroll" tabIndex={0} role="group" aria-label="What the run spent">
        <table class="fits">
          <thead>
            <tr>
              <th>who asked</th>
              <th>model</th>
              <th class="n">calls</th>
              <th class="n">tokens sent</th>
              <th class="n">tokens received</th>
              <th class="n">US dollars</th>
              <th>not counted</th>
            </tr>
          </thead>
          <tbody>
            {spend.models.map((model) => (
              <Row
                key={`${model.part} ${model.model}`}
                part={model.part}
                model={model.model}
                usage={model}
                usd={model.withoutPrice > 0 ? 'no price' : model.usd.toFixed(4)}
              />
            ))}
            {parts.length > 1
              ? parts.map(([part, usage]) => (
                  <Row key={part} part={part} model="all" usage={usage} usd={usage.usd.toFixed(4)} />
                ))
              : undefined}
            <tr class="sum">
              <td>together</td>
              <td />
              <td class="n">{sum('calls')}</td>
              <td class="n">{sum('inputTokens')}</td>
              <td class="n">{sum('outputTokens')}</td>
              <td class="n">{spend.usd.toFixed(4)}</td>
              <td />
            </tr>
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Row({
  part,
  model,
  usage,
  usd,
}: {
  readonly part: string;
  readonly model: string;
  readonly usage: Usage;
  readonly usd: string;
}): JSX.Element {
  return (
    <tr>
      <td>{part}</td>
      <td>{model}</td>
      <td class="n">{formatCount(usage.calls)}</td>
      <td class="n">{formatCount(usage.inputTokens)}</td>
      <td class="n">{formatCount(usage.outputTokens)}</td>
      <td class="n">{usd}</td>
      <td>{usage.withoutUsage > 0 ? `the tokens of ${formatCount(usage.withoutUsage)} calls` : ''}</td>
    </tr>
  );
}
