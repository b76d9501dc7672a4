import { describeRun, type TrainerState } from '@agent-lightning/run';
import type { RunContext } from '@agent-lightning/trainer';
import { compareHeldOut } from './held-out-comparison.ts';
import { renderReport } from './render-report.ts';
import type { StepSamples } from './step-samples.ts';

export interface WriteReportOptions {
  readonly state: TrainerState;
  readonly samples: StepSamples;
  /** `completed`, `converged`, `interrupted`, or why it stopped. */
  readonly outcome: string;
}

/** Writes `report.markup`, one file that needs nothing else, and returns its path. */
export async function writeReport<Task>(
  context: RunContext<Task>,
  { state, samples, outcome }: WriteReportOptions,
): Promise<string> {
  const { directory, options, fit } = context;
  await samples.flush(context);
  const metrics = await directory.readMetrics();
  const last = metrics.at(-1);
  const page = renderReport({
    runDirectory: directory.path,
    outcome,
    createdAt: new Date(),
    config: describeRun(options, fit),
    state,
    metrics,
    validationAfter: last?.validation,
    comparisons: last?.validation?.complete === true ? await compareHeldOut(context, last.step) : [],
    samples: await samples.read(),
  });
  return await directory.writeFile(page, 'report.html');
}
