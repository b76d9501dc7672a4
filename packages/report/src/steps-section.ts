import type { PolicyMetrics, StepMetrics } from '@agent-lightning/run';
import { markup, type Markup } from './markup.ts';
import { formatNumber, legend, lineChart, type Series } from './line-chart.ts';
import type { ReportData } from './report-data.ts';

type Line = readonly [name: string, read: (metrics: StepMetrics) => number | undefined];

interface Panel {
  readonly title: string;
  readonly lines: readonly Line[];
}

const panels: readonly Panel[] = [
  {
    title: 'groups: used, and without variance',
    lines: [
      ['used', (m) => m.groupsUsed],
      ['without variance', (m) => m.groupsZeroVariance],
    ],
  },
  { title: 'standard deviation of the reward', lines: [['deviation', (m) => m.reward.deviation]] },
  {
    title: 'failed rollouts, and calls not trained on',
    lines: [
      ['failed rollouts', (m) => m.failed],
      ['calls not trained on', (m) => m.untrainableCalls],
    ],
  },
  { title: 'loss', lines: [['loss', (m) => m.loss]] },
  { title: 'gradient norm, before clipping', lines: [['gradient norm', (m) => m.gradientNorm]] },
  { title: 'entropy of the policy (nats)', lines: [['entropy', (m) => m.entropy]] },
  { title: 'KL sampler to trainer (nats)', lines: [['KL', (m) => m.klSamplerTrainer]] },
  { title: 'effective sample size, share of tokens', lines: [['share', (m) => m.effectiveSampleShare]] },
  {
    title: 'versions between sampling and training',
    lines: [
      ['mean', (m) => m.stalenessMean],
      ['largest', (m) => m.stalenessMax],
    ],
  },
  { title: 'share of tokens clipped', lines: [['clipped', (m) => m.clipFraction]] },
  { title: 'KL to the base model (nats)', lines: [['KL', (m) => m.klBase]] },
  { title: 'share of calls that the token limit cut off', lines: [['cut off', (m) => m.truncatedShare]] },
  {
    title: 'share of the time spent waiting',
    lines: [
      ['trainer, for rollouts', (m) => m.idleShare.trainer],
      ['runners, for work', (m) => m.idleShare.samplers],
    ],
  },
  {
    title: 'tokens a second',
    lines: [
      ['sampled', (m) => m.sampledTokensPerSecond],
      ['trained', (m) => m.trainedTokensPerSecond],
    ],
  },
  {
    title: 'seconds by phase',
    lines: [
      ['rollout', (m) => m.seconds.rollout],
      ['train', (m) => m.seconds.train],
      ['convert', (m) => m.seconds.convert],
      ['publish', (m) => m.seconds.publish],
      ['checkpoint', (m) => m.seconds.checkpoint],
    ],
  },
  {
    title: 'tokens sampled for each call',
    lines: [['tokens', (m) => (m.transitions === 0 ? undefined : m.tokensSampled / m.transitions)]],
  },
];

/** A small chart for each metric, and all of them as a table. */
export function stepCharts({ metrics }: ReportData): Markup | undefined {
  if (metrics.length === 0) return undefined;
  return markup`<h2>Step by step</h2><div class="grid3">${[...panels, ...policyPanels(metrics)].map((panel) => drawPanel(panel, metrics))}</div>${metricsTable(metrics)}`;
}

/** The charts that compare several policies. */
function policyPanels(metrics: readonly StepMetrics[]): readonly Panel[] {
  const names = Object.keys(metrics[0]?.policies ?? {});
  if (names.length === 0) return [];
  const panel = (title: string, read: (policy: PolicyMetrics) => number | undefined): Panel => ({
    title: `${title}, by policy`,
    lines: names.map((name): Line => [
      name,
      (m) => {
        const policy = m.policies?.[name];
        return policy === undefined ? undefined : read(policy);
      },
    ]),
  });
  return [
    panel('calls', (policy) => policy.transitions),
    panel('gradient norm', (policy) => policy.gradientNorm),
    panel('entropy (nats)', (policy) => policy.entropy),
    panel('KL sampler to trainer (nats)', (policy) => policy.klSamplerTrainer),
  ];
}

/** What failed, by code, over the whole run. */
export function failureTable({ metrics }: ReportData): Markup | undefined {
  const counts = new Map<string, number>();
  for (const { failures } of metrics)
    for (const [code, count] of Object.entries(failures)) counts.set(code, (counts.get(code) ?? 0) + count);
  if (counts.size === 0) return undefined;
  const rollouts = metrics.reduce((sum, each) => sum + each.rollouts, 0);
  const rows = [...counts].toSorted((a, b) => b[1] - a[1]);
  return markup`<h2>Failed training rollouts</h2><div class="card scroll"><p class="hint">They are left out of the gradient, and are in the store with their spans.</p><table><thead><tr><th>code</th><th class="n">rollouts</th><th class="n">share</th></tr></thead>
<tbody>${rows.map(([code, count]) => markup`<tr><td>${code}</td><td class="n">${count}</td><td class="n">${((count / rollouts) * 100).toFixed(1)} %</td></tr>`)}</tbody></table></div>`;
}

function drawPanel({ title, lines }: Panel, metrics: readonly StepMetrics[]): Markup | undefined {
  const series = lines
    .map(([name, read], index): Series => ({
      name,
      color: (index % 6) + 1,
      points: metrics.flatMap((each) => {
        const y = read(each);
        return y === undefined ? [] : [{ x: each.step, y }];
      }),
    }))
    .filter(({ points }) => points.length > 0);
  if (series.length === 0) return undefined;
  return markup`<div class="card"><h3>${title}</h3>${series.length > 1 ? legend(series) : undefined}<div class="plot">${lineChart({ label: title, series, width: 320, height: 150, includeY: [0] })}</div></div>`;
}

const columns: readonly Line[] = [
  ['step', (m) => m.step],
  ['reward', (m) => m.reward.mean],
  ['held-out', (m) => m.validation?.reward],
  ['succeeded', (m) => m.succeeded],
  ['failed', (m) => m.failed],
  ['groups', (m) => m.groupsUsed],
  ['calls', (m) => m.transitions],
  ['rows', (m) => m.rows],
  ['tokens trained', (m) => m.tokensTrained],
  ['loss', (m) => m.loss],
  ['gradient', (m) => m.gradientNorm],
  ['entropy', (m) => m.entropy],
  ['clipped', (m) => m.clipFraction],
  ['seconds', (m) => m.wallSeconds],
];

function metricsTable(metrics: readonly StepMetrics[]): Markup {
  return markup`<details><summary>All steps as a table</summary><div class="card scroll"><table><thead><tr>${columns.map(([name]) => markup`<th class="n">${name}</th>`)}</tr></thead>
<tbody>${metrics.map((each) => markup`<tr>${columns.map(([, read]) => markup`<td class="n">${toCell(read(each))}</td>`)}</tr>`)}</tbody></table></div></details>`;
}

function toCell(value: number | undefined): string {
  return value === undefined ? '–' : formatNumber(value);
}
