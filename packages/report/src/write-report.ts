import type { RunState, Verdict } from '@agent-lightning/run';
import { compareHeldOut } from './held-out-comparison.ts';
import { renderReport } from './render-report.ts';
import type { ReportContext } from './report-data.ts';
import type { StepExcerpts } from './step-excerpts.ts';

export interface WriteReportOptions {
  readonly state: RunState;
  readonly excerpts: StepExcerpts;
  /** `completed`, `converged`, `interrupted`, or why it stopped. */
  readonly outcome: string;
  /** The verdict of a finished run that says one. */
  readonly verdict?: Verdict | undefined;
}

/** Writes `report.html`, one file that needs nothing else, and returns its path. */
export async function writeReport(
  context: ReportContext,
  { state, excerpts, outcome, verdict }: WriteReportOptions,
): Promise<string> {
  const { directory, config, charts, hasPolicy } = context;
  await excerpts.flush(context);
  const metrics = await directory.readMetrics();
  const last = metrics.at(-1);
  const page = renderReport({
    runDirectory: directory.path,
    outcome,
    createdAt: new Date(),
    config,
    hasPolicy,
    state,
    metrics,
    charts,
    validationAfter: last?.validation,
    verdict,
    comparisons: last?.validation?.complete === true ? await compareHeldOut(context, last.step) : [],
    excerpts: await excerpts.read(),
  });
  return await directory.writeFile(page, 'report.html');
}
