import { basename } from 'node:path';
import type { LightningStore } from '@agent-lightning/core';
import type { StepExcerpts } from '@agent-lightning/report';
import type { RunDirectory, RunState, ToldFinding } from '@agent-lightning/run';
import type { RunDetails } from '../api.ts';
import { describeRun } from '../runs/describe-run.ts';
import { RunFiles } from '../runs/run-files.ts';
import { makeSnapshot } from './make-snapshot.ts';
import { renderPage } from './render-page.ts';

/** The parts of a run from which its report is made. */
export interface ReportContext {
  readonly directory: RunDirectory;
  /** The store of the run's rollouts. */
  readonly store: LightningStore;
  /** Returns the text of each token; undefined where the backend cannot. */
  readonly tokenTexts: ((tokens: Int32Array) => Promise<readonly string[]>) | undefined;
}

export interface WriteReportOptions {
  /** The state of the run after its last step. */
  readonly state: RunState;
  /** The rollouts that the run keeps as they were trained on; the newest are written before the page. */
  readonly excerpts: StepExcerpts;
  /** The ailments of the run. @default none */
  readonly findings?: readonly ToldFinding[];
  /** `completed`, `converged`, `interrupted`, `limit-reached`, or why it stopped. */
  readonly outcome: string;
}

/**
 * Writes `report.html`, one file with the pages of the dashboard that needs nothing else, and returns its path. How the run ended is
 * written to `outcome.json` before, which needs no store.
 * @throws {ConfigurationError} `option-invalid` where the pages are not built, in a checkout of the sources
 */
export async function writeReport(
  { directory, store, tokenTexts }: ReportContext,
  { state, excerpts, outcome, findings = [] }: WriteReportOptions,
): Promise<string> {
  const now = new Date();
  const ended = { outcome, step: state.step, endedAt: now.toISOString(), findings };
  await directory.writeFile(`${JSON.stringify(ended, undefined, 2)}\n`, 'outcome.json');
  await excerpts.flush(tokenTexts);
  const run = basename(directory.path);
  const files = new RunFiles(directory.path);
  const { validationBefore } = state;
  const details: RunDetails = {
    ...(await describeRun(run, files))!, // a run directory has its record from its first moment on
    state: 'ended',
    outcome,
    findings,
    hasStore: true,
    ...(validationBefore !== undefined && { validationBefore }),
  };
  const snapshot = await makeSnapshot({ run, runId: directory.runId, details, files, store, tokenTexts }, now);
  return await directory.writeFile(renderPage(snapshot, details), 'report.html');
}
