import type { RunContext } from '../run-context.ts';
import type { TrainingRun } from '../training-run.ts';

export async function writeReport<Task>(context: RunContext<Task>, _run: TrainingRun<Task>, _outcome: string): Promise<string> {
  return context.directory.file('report.html');
}
