import { createHash } from 'node:crypto';
import { markup, Markup } from './markup.ts';
import { ailmentList } from './ailments-section.ts';
import { learningCurve, rewardByKind, summaryTiles, verdictCard } from './overview-section.ts';
import { pageScript } from './page-script.ts';
import { pageStyle } from './page-style.ts';
import type { ReportData } from './report-data.ts';
import { heldOutComparisons, trainingRollouts } from './rollouts-section.ts';
import { failureTable, lastStepRollouts } from './last-step-section.ts';
import { spendTable } from './spend-section.ts';
import { stepCharts } from './steps-section.ts';

/** The page's own script is the only one that a browser runs in it. */
const scriptHash = new Markup(`sha256-${createHash('sha256').update(pageScript).digest('base64')}`);

const goodOutcomes: ReadonlySet<string> = new Set(['completed', 'converged', 'interrupted', 'limit-reached']);

/** Renders the report as one page that needs no network; all values from the run are escaped. */
export function renderReport(data: ReportData): string {
  const { outcome, state, createdAt, runDirectory, config } = data;
  return markup`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src '${scriptHash}'; base-uri 'none'; form-action 'none'">
<title>Training report</title><style>${new Markup(pageStyle)}</style></head>
<body><main>
<header><div><h1>Training report</h1><p class="sub">${goodOutcomes.has(outcome) ? `${outcome} after ${state.step} steps` : `after ${state.step} steps`} · ${createdAt.toISOString().slice(0, 16).replace('T', ' ')} UTC${config['control'] === 'shuffled' ? ' · control: shuffled rewards' : ''}</p><p class="path">${runDirectory}</p></div><button id="theme" type="button">light / dark</button></header>
${goodOutcomes.has(outcome) ? undefined : markup`<p class="note">${outcome}</p>`}
${failureTable(data)}
${ailmentList(data)}
${summaryTiles(data)}
${verdictCard(data)}
${learningCurve(data)}
${spendTable(data)}
${rewardByKind(data)}
${heldOutComparisons(data)}
${trainingRollouts(data)}
${lastStepRollouts(data)}
${stepCharts(data)}
<h2>What was run</h2><details><summary>Options</summary><div class="card scroll"><table><tbody>${Object.entries(config).map(([name, value]) => markup`<tr><th>${name}</th><td>${String(value)}</td></tr>`)}</tbody></table></div></details>
</main><script>${new Markup(pageScript)}</script></body></html>
`.text;
}
