import { check, TrainerError, type AlgorithmHost, type AlgorithmRun } from '@agent-lightning/core';
import { findSavedRun, type Evaluation, type SpendMeter } from '@agent-lightning/run';
import { runOnMeter } from '../open-meter.ts';
import { toHost } from '../open-run.ts';
import { openCollector, runAside } from '../run-aside.ts';
import type { ResolvedTrainerOptions } from '../trainer-options.ts';
import { toPlainTasks } from '../plain-tasks.ts';
import { collectEvaluation } from './collect-evaluation.ts';

/** The tasks of an evaluation. */
export interface EvaluateOptions<Task> {
  /** The tasks; for a fair answer those that nothing was learned from or chosen by. */
  readonly tasks: readonly Task[];
  /** Rollouts of each task, sampled as in training. @default 4 */
  readonly samples?: number;
  /**
   * The agent that is evaluated: `base` before any training; `own` with the models that it asks today, which needs no backend; a run directory, for its best step, or its newest where the run chose none;
   * `DIRECTORY@STEP`, such as `runs/a@20`. @default 'base'
   */
  readonly checkpoint?: string;
}

/** Two agents and the tasks to compare them on. */
export interface CompareOptions<Task> extends Omit<EvaluateOptions<Task>, 'checkpoint'> {
  /** The agent that the candidate is compared with, as in `checkpoint`. @default 'base' */
  readonly baseline?: string;
  /** The agent that is asked about, as in `checkpoint`. */
  readonly candidate: string;
}

/** The name of the agent before any training. */
export const baseName = 'base';

/** The name of the agent with the models that it asks today. */
export const ownName = 'own';

/** The names of the options of an evaluation. */
export const evaluateOptionNames: Readonly<Record<keyof EvaluateOptions<never>, true>> = {
  tasks: true,
  samples: true,
  checkpoint: true,
};

/** Runs each task several times with a checkpoint, through a gateway and a store in memory, and returns the rewards. */
export async function evaluateAgent<Task>(
  options: ResolvedTrainerOptions<Task>,
  evaluation: EvaluateOptions<Task>,
): Promise<Evaluation> {
  return await runOnMeter(options, (meter) => evaluateOnMeter(options, evaluation, meter));
}

async function evaluateOnMeter<Task>(
  options: ResolvedTrainerOptions<Task>,
  evaluation: EvaluateOptions<Task>,
  meter: SpendMeter,
): Promise<Evaluation> {
  const { tasks: given, samples = 4, checkpoint = baseName } = evaluation;
  if (!Array.isArray(given) || given.length === 0)
    throw check.optionInvalid('evaluate: tasks', given, 'an array of at least one task');
  const tasks = toPlainTasks('evaluate: tasks', given as readonly Task[]);
  check.wholeNumber('evaluate: samples', samples);
  const isOwn = checkpoint === ownName;
  const saved = isOwn || checkpoint === baseName ? undefined : await findCheckpoint(options, checkpoint);
  const aside = {
    runId: 'evaluation', // the same for every checkpoint: an engine in this process then samples with the same seeds
    title: 'the evaluation',
    rollouts: tasks.length * samples,
    meter,
    isOwn,
  };
  return await runAside(options, aside, async (parts) => {
    const { trainer, session, stopping } = parts;
    const host = toHost(trainer, session, tasks, stopping);
    const algorithm = isOwn ? {} : await publishAgent(host, options, saved?.directory);
    session.start();
    const collector = openCollector(options, aside, parts, algorithm);
    const { resourcesId } = algorithm;
    return await collectEvaluation(
      collector,
      { step: 0, tasks, indexes: [...tasks.keys()], samples, resourcesId },
      stopping,
    );
  });
}

/** Makes the policies answer as they did at a checkpoint, or before any training. */
async function publishAgent<Task>(
  host: AlgorithmHost,
  { algorithm }: ResolvedTrainerOptions<Task>,
  checkpoint: string | undefined,
): Promise<Pick<AlgorithmRun, 'policies' | 'resourcesId'>> {
  const run = await algorithm.begin(host);
  if (checkpoint !== undefined) await run.load(checkpoint);
  await run.publish();
  return run;
}

/** Finds a checkpoint of the algorithm. */
async function findCheckpoint<Task>(
  { algorithm }: ResolvedTrainerOptions<Task>,
  name: string,
): ReturnType<typeof findSavedRun> {
  const saved = await findSavedRun(name);
  const trained = saved.config['algorithm.name'];
  if (trained === algorithm.name) return saved;
  throw new TrainerError(
    `${name} is a run of the algorithm ${String(trained)}, and this trainer has ${algorithm.name}; evaluate it with a trainer of its own algorithm`,
    { code: 'resume-mismatch' },
  );
}
