import type { MetricChart } from '@agent-lightning/core';
import type { StepMetrics } from '@agent-lightning/run';
import { markup, type Markup } from './markup.ts';
import { formatNumber, legend, lineChart, type Series } from './line-chart.ts';
import { expandPath, readNumber, readSeries } from './metric-series.ts';
import type { ReportData } from './report-data.ts';

/** The charts of every run; those of model calls come after them where a policy answers, and the algorithm's own come last. */
const commonCharts: readonly MetricChart[] = [
  { title: 'standard deviation of the reward', lines: [['deviation', 'reward.deviation']] },
  { title: 'failed rollouts', lines: [['failed rollouts', 'failed']] },
  {
    title: 'share of the time spent waiting',
    lines: [
      ['trainer, for rollouts', 'idleShare.trainer'],
      ['runners, for work', 'idleShare.samplers'],
    ],
  },
  {
    title: 'seconds by phase',
    lines: [
      ['rollout', 'seconds.rollout'],
      ['train', 'seconds.train'],
      ['convert', 'seconds.convert'],
      ['publish', 'seconds.publish'],
      ['checkpoint', 'seconds.checkpoint'],
    ],
  },
];

const callCharts: readonly MetricChart[] = [
  { title: 'calls not trained on', lines: [['calls not trained on', 'untrainableCalls']] },
  { title: 'share of calls that the token limit cut off', lines: [['cut off', 'truncatedShare']] },
  {
    title: 'tokens a second',
    lines: [
      ['sampled', 'sampledTokensPerSecond'],
      ['trained', 'trainedTokensPerSecond'],
    ],
  },
  { title: 'tokens sampled in a step', lines: [['tokens', 'tokensSampled']] },
];

/** Draws the charts, and writes the figures of every step as a table. */
export function stepCharts({ metrics, charts, hasPolicy }: ReportData): Markup | undefined {
  if (metrics.length === 0) return undefined;
  const all = [...commonCharts, ...(hasPolicy ? callCharts : []), ...charts];
  return markup`<h2>Step by step</h2><div class="grid3">${all.map((chart) => drawChart(chart, metrics))}</div>${metricsTable(metrics, hasPolicy ? [...columns, ...callColumns] : columns, charts)}`;
}

function drawChart({ title, lines }: MetricChart, metrics: readonly StepMetrics[]): Markup | undefined {
  const series = lines
    .flatMap(([name, path]) => expandPath(metrics, path).map((each) => ({ name: each.key || name, path: each.path })))
    .map(({ name, path }, index): Series => ({
      name,
      color: (index % 6) + 1,
      points: readSeries(metrics, path),
    }))
    .filter(({ points }) => points.length > 0);
  if (series.length === 0) return undefined;
  return markup`<div class="card"><h3>${title}</h3>${series.length > 1 ? legend(series) : undefined}<div class="plot">${lineChart({ label: title, series, width: 320, height: 150, includeY: [0] })}</div></div>`;
}

/** The columns of the table of steps; one that no step has is left out. */
const columns: readonly (readonly [name: string, path: string])[] = [
  ['step', 'step'],
  ['reward', 'reward.mean'],
  ['held-out', 'validation.reward'],
  ['succeeded', 'succeeded'],
  ['failed', 'failed'],
  ['seconds', 'wallSeconds'],
];

const callColumns: readonly (readonly [name: string, path: string])[] = [
  ['calls', 'transitions'],
  ['samples', 'samples'],
  ['tokens trained', 'tokensTrained'],
];

/** Writes the columns that are given, and one for each path without `*` in a chart of the algorithm. */
function metricsTable(
  metrics: readonly StepMetrics[],
  given: readonly (readonly [name: string, path: string])[],
  charts: readonly MetricChart[],
): Markup {
  const own = charts.flatMap(({ lines }) => lines.map(([, path]) => [path, path] as const));
  const shown = [...given, ...own].filter(([, path]) => metrics.some((each) => readNumber(each, path) !== undefined));
  return markup`<details><summary>All steps as a table</summary><div class="card scroll"><table><thead><tr>${shown.map(([name]) => markup`<th class="n">${name}</th>`)}</tr></thead>
<tbody>${metrics.map((each) => markup`<tr>${shown.map(([, path]) => markup`<td class="n">${toCell(readNumber(each, path))}</td>`)}</tr>`)}</tbody></table></div></details>`;
}

function toCell(value: number | undefined): string {
  return value === undefined ? '–' : formatNumber(value);
}
