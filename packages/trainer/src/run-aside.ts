/** Runs rollouts beside any training: with a gateway and a store in memory, which are gone afterwards. */
import type { AlgorithmRun } from '@agent-lightning/core';
import { type FailureScoring, Progress, RolloutCollector, type Session, type SpendMeter } from '@agent-lightning/run';
import { countRollouts } from './count-rollouts.ts';
import { joinStops } from './open-meter.ts';
import { openSession, scoreFailures } from './open-run.ts';
import type { ResolvedTrainerOptions } from './trainer-options.ts';

interface AsideOptions {
  /** Equal ids draw equal seeds. */
  readonly runId: string;
  /** What it is, for progress: `the dry run`. */
  readonly title: string;
  /** How many rollouts there will be, for progress. */
  readonly rollouts: number;
  readonly meter: SpendMeter;
  /** True when the agents ask their own models. */
  readonly isOwn: boolean;
}

/** The parts of what runs aside. */
export interface Aside<Task> {
  /** The options of the trainer, less what keeps anything. */
  readonly trainer: ResolvedTrainerOptions<Task>;
  readonly session: Session<Task>;
  /** Aborts when the user stops, or a limit is reached. */
  readonly stopping: AbortSignal;
  /** Scores the failures of all its rollouts. */
  readonly failures: FailureScoring;
}

/** Opens a session, works with it, and closes it whatever happens. */
export async function runAside<Task, Result>(
  options: ResolvedTrainerOptions<Task>,
  { runId, title, rollouts, meter, isOwn }: AsideOptions,
  work: (aside: Aside<Task>) => Promise<Result>,
): Promise<Result> {
  const trainer = { ...options, store: undefined, gateway: undefined, runners: Math.max(1, options.runners) };
  const { logger, progress: mode } = options;
  const progress = new Progress({ mode: mode === 'none' ? 'none' : 'plain', logger, steps: 0 });
  const hooks = countRollouts(options.hooks, progress);
  const session = await openSession(trainer, {
    runId,
    storePath: undefined,
    hooks,
    meter,
    ...(isOwn && { hasPolicy: false }),
  });
  progress.watchCalls(() => session.openCalls());
  try {
    progress.begin(0, title, rollouts);
    const stopping = joinStops(options, session, meter);
    return await work({ trainer, session, stopping, failures: scoreFailures(options) });
  } finally {
    progress.end();
    await session.close();
  }
}

/** Collects the rollouts of what runs aside, for an algorithm's policies where it has some. */
export function openCollector<Task>(
  { retry, attemptTimeoutMs }: ResolvedTrainerOptions<Task>,
  { runId, meter }: Pick<AsideOptions, 'runId' | 'meter'>,
  { session, failures }: Aside<Task>,
  { policies = [] }: Pick<AlgorithmRun, 'policies'> = {},
): RolloutCollector {
  const { store } = session;
  return new RolloutCollector({ store, runId, retry, attemptTimeoutMs, resumed: false, policies, failures, meter });
}
