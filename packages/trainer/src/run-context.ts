import type { AlgorithmRun, Episode } from '@agent-lightning/core';
import type { ReportContext } from '@agent-lightning/dashboard';
import type { Progress, RolloutCollector, RunConfig, RunDirectory, Session, SpendMeter } from '@agent-lightning/run';
import type { ResolvedFitOptions } from './fit-options.ts';
import type { ResolvedTrainerOptions } from './trainer-options.ts';

/** The things that the parts of one run share. */
export interface RunContext<Task> {
  readonly options: ResolvedTrainerOptions<Task>;
  readonly fit: ResolvedFitOptions<Task>;
  /** The options that a resumed run must have in common with this one. */
  readonly config: RunConfig;
  readonly algorithm: AlgorithmRun;
  readonly session: Session<Task>;
  readonly collector: RolloutCollector;
  readonly directory: RunDirectory;
  readonly progress: Progress;
  readonly meter: SpendMeter;
  /** Aborts when the user interrupts the run. */
  readonly interrupted: AbortSignal;
  /** Aborts on an interruption, at a limit, and when the runner cannot go on. */
  readonly stopping: AbortSignal;
}

/** Returns a function that reads the kind of an episode's task, or undefined when the run does not sort tasks by kind. */
export function kindReader<Task>({
  taskKind,
}: ResolvedTrainerOptions<Task>): ((episode: Episode) => string) | undefined {
  return taskKind === undefined ? undefined : (episode) => taskKind(episode.rollout.input as Task);
}

/** Returns the parts of a run from which its report is made. */
export function toReportContext<Task>({ options, directory, session }: RunContext<Task>): ReportContext {
  const { backend } = options;
  return { directory, store: session.store, tokenTexts: backend?.tokenTexts?.bind(backend) };
}

/** Writes the charts that the algorithm has of its own figures, for who looks at the run while it goes on or afterwards. */
export async function writeCharts<Task>({ directory, options }: RunContext<Task>): Promise<void> {
  const { charts = [] } = options.algorithm;
  if (charts.length > 0) await directory.writeFile(`${JSON.stringify({ charts }, undefined, 2)}\n`, 'charts.json');
}
