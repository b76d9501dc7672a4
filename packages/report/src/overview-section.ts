import { describeVerdict, type Interval, type ValidationMetrics, type Verdict } from '@agent-lightning/run';
import { markup, type Markup } from './markup.ts';
import { findExtent, formatNumber, legend, lineChart, type Series } from './line-chart.ts';
import { readSeries } from './metric-series.ts';
import type { ReportData } from './report-data.ts';

const answers: Readonly<Record<Verdict['answer'], readonly [badge: string, text: string]>> = {
  better: ['badge good', 'better'],
  worse: ['badge bad', 'worse'],
  'cannot-tell': ['badge', 'can’t tell'],
};

/** Says whether the run made the agent better. */
export function verdictCard({ verdict }: ReportData): Markup | undefined {
  if (verdict === undefined) return undefined;
  const [badge, text] = answers[verdict.answer];
  return markup`<h2>Verdict</h2><div class="card"><span class="${badge}">${text}</span> ${describeVerdict(verdict)}
<p class="hint">It compares the kept step with the agent before training, on held-out tasks by which nothing was chosen, sampled as in training. The interval is over tasks, with 2.5 % on each side.</p></div>`;
}

/** Draws the main figures of a run. */
export function summaryTiles({ state, metrics, validationAfter, hasPolicy }: ReportData): Markup {
  const rewards = metrics.flatMap(({ reward }) => reward.mean ?? []);
  const trained = readSeries(metrics, 'tokensTrained').map(({ y }) => y);
  const seconds = state.wallSeconds;
  return markup`<section class="tiles">
${tile(`held-out reward${hasPolicy ? ', greedy' : ''}`, heldOut(state.validationBefore, validationAfter?.complete === true ? validationAfter : undefined), true)}
${tile('training reward, first and last step', fromTo(rewards[0], rewards.at(-1)), true)}
${tile('steps', String(state.step))}
${tile('rollouts', formatNumber(state.totals.rollouts))}
${hasPolicy ? tile('model calls', formatNumber(state.totals.transitions)) : undefined}
${trained.length === 0 ? undefined : tile('tokens trained', formatNumber(trained.reduce((sum, tokens) => sum + tokens, 0)))}
${tile('wall time', duration(seconds))}
${tile('rollouts per second', formatNumber(seconds > 0 ? state.totals.rollouts / seconds : 0))}
</section>`;
}

/** Draws training and validation reward by step. */
export function learningCurve({ state, hasPolicy }: ReportData): Markup {
  const training = state.curve.flatMap(({ step, reward }) => (reward === undefined ? [] : [{ x: step, y: reward }]));
  const validation = state.curve.flatMap(({ step, validation: value, validationInterval: interval }) =>
    value === undefined ? [] : [{ x: step, y: value, interval }],
  );
  const series: readonly Series[] = [
    { name: `training reward${hasPolicy ? ' (sampled)' : ''}`, color: 1, points: training },
    { name: `held-out reward${hasPolicy ? ' (greedy)' : ''}`, color: 2, points: validation, hasMarkers: true },
  ].filter(({ points }) => points.length > 0);
  if (series.length === 0) return markup`<h2>Learning curve</h2><p class="hint">No step was finished.</p>`;
  return markup`<h2>Learning curve</h2><div class="card">${legend(series)}<div class="plot">${lineChart({
    label: 'Mean reward by training step',
    series,
    width: 1000,
    height: 300,
    includeY: [0],
  })}</div></div>`;
}

/** Draws the reward by kind of task, before and after. */
export function rewardByKind({ state, metrics, validationAfter, hasPolicy }: ReportData): Markup | undefined {
  const isHeldOut = Object.keys(validationAfter?.byKind ?? {}).length > 0 && state.validationBefore !== undefined;
  const before = isHeldOut ? state.validationBefore!.byKind : (metrics[0]?.reward.byKind ?? {});
  const after = isHeldOut ? validationAfter!.byKind : (metrics.at(-1)?.reward.byKind ?? {});
  const kinds = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  if (kinds.length === 0) return undefined;
  const [low, high] = findExtent([0, 1, ...Object.values(before), ...Object.values(after)]);
  const place = (value: number): number => ((value - low) / (high - low)) * 100;
  return markup`<h2>Reward by kind of question</h2><div class="card scroll"><p class="hint">${isHeldOut ? 'Held-out tasks' : 'Training tasks'}${hasPolicy ? (isHeldOut ? ', greedy' : ', sampled') : ''}: before (ring) and after (dot).</p>
<table><thead><tr><th>kind</th><th class="n">before</th><th class="n">after</th><th class="n">change</th><th></th></tr></thead><tbody>${kinds.map(
    (kind) => {
      const [from, to] = [before[kind], after[kind]];
      return markup`<tr><td>${kind}</td><td class="n">${from?.toFixed(2) ?? '–'}</td><td class="n">${to?.toFixed(2) ?? '–'}</td><td class="n">${from === undefined || to === undefined ? '–' : `${to >= from ? '+' : '−'}${Math.abs(to - from).toFixed(2)}`}</td><td style="width:45%">${dumbbell(from, to, place)}</td></tr>`;
    },
  )}</tbody></table></div>`;
}

function dumbbell(from: number | undefined, to: number | undefined, place: (value: number) => number): Markup {
  const at = (value: number): string => `${place(value).toFixed(1)}%`;
  return markup`<span class="bar">${from === undefined || to === undefined ? undefined : markup`<i style="left:${at(Math.min(from, to))};width:${Math.abs(place(to) - place(from)).toFixed(1)}%"></i>`}${from === undefined ? undefined : markup`<b class="before" style="left:${at(from)}"></b>`}${to === undefined ? undefined : markup`<b class="after" style="left:${at(to)}"></b>`}</span>`;
}

function tile(name: string, value: Markup | string, isWide = false): Markup {
  return markup`<div class="card tile${isWide ? ' wide' : ''}"><div class="value">${value}</div><div class="name">${name}</div></div>`;
}

function fromTo(from: number | undefined, to: number | undefined): Markup {
  return markup`${from?.toFixed(3) ?? '–'} <small>→</small> ${to?.toFixed(3) ?? '–'}`;
}

function heldOut(before: ValidationMetrics | undefined, after: ValidationMetrics | undefined): Markup {
  const half = ([low, high]: Interval): string => ((high - low) / 2).toFixed(2);
  const side = (validation: ValidationMetrics | undefined): Markup =>
    validation === undefined
      ? markup`–`
      : markup`${validation.reward.toFixed(3)} <small>± ${half(validation.interval)}</small>`;
  return markup`${side(before)} <small>→</small> ${side(after)}`;
}

function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  return whole < 3_600
    ? `${Math.floor(whole / 60)} min ${whole % 60} s`
    : `${Math.floor(whole / 3_600)} h ${Math.floor((whole % 3_600) / 60)} min`;
}
