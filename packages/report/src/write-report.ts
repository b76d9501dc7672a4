import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { RunDirectory, RunState, Spend, ToldFinding, Verdict } from '@agent-lightning/run';
import { compareHeldOut } from './held-out-comparison.ts';
import { readLastStep } from './last-step.ts';
import { renderReport } from './render-report.ts';
import type { ReportContext } from './report-data.ts';
import type { StepExcerpts } from './step-excerpts.ts';

export interface WriteReportOptions {
  readonly state: RunState;
  readonly excerpts: StepExcerpts;
  /** The newest step whose rollouts ended; it may have failed afterwards. @default the step of the state */
  readonly lastStep?: number;
  /** The ailments of the run. @default none */
  readonly findings?: readonly ToldFinding[];
  /** `completed`, `converged`, `interrupted`, `limit-reached`, or why it stopped. */
  readonly outcome: string;
  /** The verdict of a finished run that says one. */
  readonly verdict?: Verdict | undefined;
}

/**
 * Writes `report.html`, one file that needs nothing else, and returns its path. How the run ended is written to `outcome.json` before,
 * which needs no store.
 */
export async function writeReport(
  context: ReportContext,
  { state, excerpts, outcome, findings = [], verdict, lastStep = state.step }: WriteReportOptions,
): Promise<string> {
  const { directory, config, charts, hasPolicy } = context;
  const ended = { outcome, step: state.step, endedAt: new Date().toISOString(), findings };
  await directory.writeFile(`${JSON.stringify(ended, undefined, 2)}\n`, 'outcome.json');
  await excerpts.flush(context);
  const metrics = await directory.readMetrics();
  const last = metrics.at(-1);
  const page = renderReport({
    runDirectory: directory.path,
    outcome,
    findings,
    createdAt: new Date(),
    config,
    hasPolicy,
    state,
    metrics,
    charts,
    validationAfter: last?.validation,
    verdict,
    spend: await readSpend(directory),
    comparisons: last?.validation?.complete === true ? await compareHeldOut(context, last.step) : [],
    excerpts: await excerpts.read(),
    lastStep: await readLastStep(context, lastStep),
  });
  return await directory.writeFile(page, 'report.html');
}

/** Reads the sum of what the run has spent; undefined where nothing was kept of it. */
async function readSpend(directory: Pick<RunDirectory, 'file'>): Promise<Spend | undefined> {
  const path = directory.file('spend.json');
  return existsSync(path) ? (JSON.parse(await readFile(path, 'utf8')) as Spend) : undefined;
}
