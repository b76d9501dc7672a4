import { markup, type Markup } from './markup.ts';
import type { ReportData } from './report-data.ts';

/** Lists what ails the run, above its figures; undefined for a run without findings. */
export function ailmentList({ findings }: Pick<ReportData, 'findings'>): Markup | undefined {
  if (findings.length === 0) return undefined;
  return markup`<section class="note"><h2>What to look at first</h2><ul>${findings.map(
    ({ code, step, message }) =>
      markup`<li><b>${code}</b>${step === 0 ? '' : `, since step ${step}`}: ${message}.</li>`,
  )}</ul></section>`;
}
