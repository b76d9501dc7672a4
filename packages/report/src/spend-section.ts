import type { Spend } from '@agent-lightning/run';
import { markup, type Markup } from './markup.ts';
import type { ReportData } from './report-data.ts';

type ModelSpend = Spend['models'][number];

/** Writes what the run has spent by part and model as a table; nothing where only a policy was asked and nothing is limited. */
export function spendTable({ spend }: Pick<ReportData, 'spend'>): Markup | undefined {
  if (spend === undefined || spend.models.length === 0) return undefined;
  const parts = Object.entries(spend.parts).filter(([, { calls }]) => calls > 0);
  return markup`<h2>What it spent</h2><p class="hint">${spend.rollouts} rollouts in ${spend.minutes.toFixed(1)} minutes, over all processes of the run; those that were thrown away, too. Dollars are by list prices and the prices that the run was given, an upper bound where a maker discounts what it has cached.</p>
<div class="card scroll"><table><thead><tr><th>who asked</th><th>model</th><th class="n">calls</th><th class="n">tokens sent</th><th class="n">tokens received</th><th class="n">US dollars</th><th>not counted</th></tr></thead>
<tbody>${spend.models.map(modelRow)}${parts.length > 1 ? parts.map(([part, sum]) => row(part, 'all', sum, sum.usd.toFixed(4))) : undefined}<tr><th>together</th><th></th><th class="n">${spend.models.reduce((sum, { calls }) => sum + calls, 0)}</th><th class="n">${spend.models.reduce((sum, { inputTokens }) => sum + inputTokens, 0)}</th><th class="n">${spend.models.reduce((sum, { outputTokens }) => sum + outputTokens, 0)}</th><th class="n">${spend.usd.toFixed(4)}</th><th></th></tr></tbody></table></div>`;
}

function modelRow(model: ModelSpend): Markup {
  return row(model.part, model.model, model, model.withoutPrice > 0 ? 'no price' : model.usd.toFixed(4));
}

function row(part: string, model: string, sum: Omit<ModelSpend, 'part' | 'model'>, usd: string): Markup {
  const unknown = sum.withoutUsage > 0 ? `the tokens of ${sum.withoutUsage} calls` : '';
  return markup`<tr><td>${part}</td><td>${model}</td><td class="n">${sum.calls}</td><td class="n">${sum.inputTokens}</td><td class="n">${sum.outputTokens}</td><td class="n">${usd}</td><td>${unknown}</td></tr>`;
}
