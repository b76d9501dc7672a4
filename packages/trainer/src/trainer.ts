import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { check, LightningError, type AlgorithmRun, type JsonValue } from '@agent-lightning/core';
import { writeReport } from '@agent-lightning/dashboard';
import {
  Interrupt,
  compareEvaluations,
  countFailures,
  describeFailure,
  Progress,
  RolloutCollector,
  RunDirectory,
  withFileErrors,
  type Evaluation,
  type RunConfig,
  type SpendMeter,
  type Verdict,
} from '@agent-lightning/run';
import { countRollouts } from './count-rollouts.ts';
import { asksOwnModels, devOptionNames, dryRun, type DevOptions, type DevReport } from './dev.ts';
import {
  evaluateAgent,
  evaluateOptionNames,
  ownName,
  type CompareOptions,
  type EvaluateOptions,
} from './evaluate/evaluate-agent.ts';
import { countSteps, resolveFitOptions, type FitOptions, type ResolvedFitOptions } from './fit-options.ts';
import { runMetered } from '@agent-lightning/tracing';
import { describeRun, openSession, scoreFailures, toHost } from './open-run.ts';
import { toReportContext, type RunContext } from './run-context.ts';
import {
  requireBackend,
  resolveTrainerOptions,
  type ResolvedTrainerOptions,
  type TrainerOptions,
} from './trainer-options.ts';
import { describeTellingRollout } from './telling-rollout.ts';
import { checkPricesAhead, openMeter } from './open-meter.ts';
import { showsSpend } from './spend-metrics.ts';
import { stopTelling, tellWatchers } from './tell-watchers.ts';
import { TrainingRun } from './training-run.ts';
import { isUnfinished, type StopReason, type TrainingResult } from './training-result.ts';

/** Improves an agent that already exists: runs it on tasks, rewards it, and carries out the algorithm that learns from it. */
export class Trainer<Task = JsonValue, Metrics extends object = object> {
  readonly #options: ResolvedTrainerOptions<Task>;

  /** Checks the options. @throws {ConfigurationError} `option-invalid` */
  constructor(options: TrainerOptions<Task, Metrics>) {
    this.#options = resolveTrainerOptions(options);
  }

  /** The directory in which `fit` keeps its run. */
  get runDirectory(): string {
    return this.#options.runDirectory;
  }

  /**
   * Runs a few rollouts through store and gateway and says whether the algorithm could learn from them. For weights: tokens arrive,
   * rewards vary within groups, calls become training samples that the backend takes. Trains nothing and leaves nothing behind.
   * Without a backend, agents ask the models that they ask today, and it says whether they run, earn rewards and call models.
   * @throws {ConfigurationError} `option-invalid` | `option-unsupported`, as `fit` would
   */
  async dev(options: DevOptions<Task>): Promise<DevReport> {
    check.knownOptions('dev', options, devOptionNames);
    if (!asksOwnModels(this.#options, options)) await this.#checkForTraining();
    return await dryRun(this.#options, options);
  }

  /**
   * Runs each task several times, sampled as in training, with the agent as it was at a checkpoint, and returns the rewards. Trains
   * nothing and leaves nothing behind.
   * @throws {ConfigurationError} `option-invalid`; {TrainerError} `resume-mismatch` for a checkpoint of another algorithm
   */
  async evaluate(options: EvaluateOptions<Task>): Promise<Evaluation> {
    check.knownOptions('evaluate', options, evaluateOptionNames);
    if (options.checkpoint !== ownName) await this.#checkForTraining();
    return await evaluateAgent(this.#options, options);
  }

  /**
   * Compares the agent at two checkpoints on the same tasks, and says whether the candidate is better.
   * @throws as {@link evaluate} does
   */
  async compare(comparison: CompareOptions<Task>): Promise<Verdict> {
    check.knownOptions('compare', comparison, ['tasks', 'samples', 'baseline', 'candidate']);
    const { baseline, candidate, ...options } = comparison;
    const before = await this.evaluate({ ...options, ...(baseline === undefined ? {} : { checkpoint: baseline }) });
    return compareEvaluations(before, await this.evaluate({ ...options, checkpoint: candidate }));
  }

  /**
   * Trains, validates, saves and reports. The backend stays open.
   * @throws {TrainerError} `no-signal` when there is nothing to learn from, `off-policy` when
   * sampler and trainer are too far apart, `failures-rose` when a failure of unknown cause suddenly came up in every group, `numerics` when a loss is not finite,
   * `run-locked` | `resume-mismatch` | `disk-full`; {ConfigurationError} `option-invalid` | `option-unsupported`
   */
  async fit(options: FitOptions<Task>): Promise<TrainingResult> {
    const { algorithm, control } = this.#options;
    if (algorithm.uses.tasks === false) await this.#checkForTraining(); // the backend is asked to count the steps
    const counted = await countSteps(algorithm, options, { ...this.#options, isControl: control === 'shuffled' });
    const fit = resolveFitOptions(options, algorithm.tasksPerStep, counted);
    checkTaskKinds(this.#options.taskKind, [...fit.train, ...fit.validation]);
    await this.#checkForTraining();
    checkPricesAhead(this.#options);
    const config = describeRun(this.#options, fit);
    const directory = await RunDirectory.open(this.#options.runDirectory, {
      config,
      resume: fit.resume,
      keepCheckpoints: this.#options.keepCheckpoints,
      // In a store of its own, ids may repeat from run to run: the same seed then samples the same rollouts.
      runId: this.#options.store === undefined ? 'run' : `run-${randomBytes(4).toString('hex')}`,
      now: new Date(),
    });
    const { progress: mode, logger, runners } = this.#options;
    const progress = new Progress({ mode, logger, steps: fit.steps, runsElsewhere: runners === 0 });
    if (fit.resume && directory.isNew)
      progress.logger.info(`${directory.path} holds no run yet, so there is nothing to resume: the run begins`);
    const interrupt = new Interrupt({
      signal: this.#options.signal,
      handleSignals: this.#options.handleSignals,
      onInterrupt: (reason) => progress.logger.info(`${reason}: saving and stopping; a second one stops at once`),
    });
    try {
      return await this.#fitIn(directory, fit, config, progress, interrupt);
    } finally {
      interrupt.dispose();
      progress.end();
      directory.close();
    }
  }

  async #checkForTraining(): Promise<void> {
    requireBackend(this.#options);
    await this.#options.algorithm.check?.(this.#options);
  }

  async #fitIn(
    directory: RunDirectory,
    fit: ResolvedFitOptions<Task>,
    config: RunConfig,
    progress: Progress,
    interrupt: Interrupt,
  ): Promise<TrainingResult> {
    const options = { ...this.#options, logger: progress.logger };
    const meter = await openMeter(options, directory.file('spend.jsonl'));
    try {
      return await runMetered(meter, () => this.#fitMetered(directory, fit, config, progress, interrupt, meter));
    } finally {
      await stopTelling(directory);
      await meter.close();
    }
  }

  async #fitMetered(
    directory: RunDirectory,
    fit: ResolvedFitOptions<Task>,
    config: RunConfig,
    progress: Progress,
    interrupt: Interrupt,
    meter: SpendMeter,
  ): Promise<TrainingResult> {
    const options = { ...this.#options, logger: progress.logger };
    const session = await openSession(options, {
      runId: directory.runId,
      storePath: directory.file('store.sqlite'),
      hooks: countRollouts(options.hooks, progress),
      interrupted: interrupt.signal,
      meter,
    });
    await tellWatchers(directory, session);
    progress.watchCalls(() => session.openCalls());
    progress.watchSpend(() => meter.describe());
    // Before anything slow, such as saving a checkpoint: no rollout makes another call.
    meter.reached.addEventListener('abort', () => void session.stop());
    let result: TrainingResult;
    try {
      const { store, failed } = session;
      const { retry, attemptTimeoutMs } = options;
      const stopping = AbortSignal.any([interrupt.signal, failed, meter.reached]);
      const algorithm = await options.algorithm.begin(toHost(options, session, fit.train, stopping));
      const context: RunContext<Task> = {
        options,
        fit,
        config,
        algorithm,
        session,
        directory,
        progress,
        collector: new RolloutCollector({
          store,
          runId: directory.runId,
          retry,
          attemptTimeoutMs,
          resumed: fit.resume,
          policies: algorithm.policies ?? [],
          failures: scoreFailures(options),
          meter,
        }),
        meter,
        interrupted: interrupt.signal,
        stopping,
      };
      try {
        result = await trainAndReport(context);
      } finally {
        await cancelRest(context);
      }
    } catch (error) {
      // The first error says why the run ended; a later one, from closing, is only logged.
      await session.close().catch((closing: unknown) => progress.logger.warn(`closing the run: ${String(closing)}`));
      throw error;
    }
    // The run is done and saved: what could not be closed any more, as after an outage, takes nothing from its result.
    await session.close().catch((error: unknown) => progress.logger.warn(`closing the run: ${String(error)}`));
    return result;
  }
}

/** Trains, and writes the report however the run ends. */
async function trainAndReport<Task>(context: RunContext<Task>): Promise<TrainingResult> {
  const run = new TrainingRun(context);
  let stopReason: StopReason;
  try {
    stopReason = await run.run();
  } catch (error) {
    await run.metrics.end('failed');
    const problem = error instanceof Error ? error.message : String(error);
    await explainNoSignal(context, run.lastStep, error);
    await keepSpend(context).catch((keeping: unknown) => context.progress.logger.warn(String(keeping)));
    await report(context, run, `stopped: ${problem}`);
    throw error;
  }
  await run.metrics.end(stopReason);
  await keepSpend(context);
  const { kept } = run;
  const modelDirectory = kept === undefined ? undefined : context.directory.file('model');
  if (modelDirectory !== undefined) await exportResult(context.algorithm, modelDirectory);
  const reportPath = await report(context, run, stopReason);
  if (stopReason === 'limit-reached') context.progress.logger.info((context.meter.reached.reason as Error).message);
  if (isUnfinished(stopReason))
    context.progress.logger.info(
      `saved after step ${run.state.step}; ${context.options.resumeHint(context.directory.path)}`,
    );
  const { state } = run;
  return {
    runId: context.directory.runId,
    runDirectory: context.directory.path,
    stopReason,
    steps: state.step,
    rollouts: state.totals.rollouts,
    transitions: state.totals.transitions,
    validationBefore: state.validationBefore?.reward,
    validationAfter: isUnfinished(stopReason) ? undefined : state.curve.at(-1)?.validation,
    verdict: kept?.verdict,
    bestStep: kept?.step,
    curve: state.curve,
    spend: context.meter.spend,
    wallSeconds: Math.round(state.wallSeconds * 1_000) / 1_000,
    modelDirectory,
    reportPath,
  };
}

/** Writes the report and returns its path; undefined where it cannot be written, which takes nothing from the run's result. */
async function report<Task>(
  context: RunContext<Task>,
  { state, excerpts, findings }: TrainingRun<Task>,
  outcome: string,
): Promise<string | undefined> {
  try {
    return await writeReport(toReportContext(context), { state, excerpts, findings, outcome });
  } catch (error) {
    context.progress.logger.warn(`no report could be written: ${String(error)}`);
    return undefined;
  }
}

/** Writes the sum of what the run has spent, where its steps tell it too. */
async function keepSpend<Task>(context: RunContext<Task>): Promise<void> {
  if (!showsSpend(context)) return;
  await context.directory.writeFile(`${JSON.stringify(context.meter.spend, undefined, 2)}\n`, 'spend.json');
}

/** Says, of a run that found nothing to learn from, how one rollout of its last step went, and which failures there were. The error says why. */
async function explainNoSignal<Task>(
  { collector, progress }: RunContext<Task>,
  step: number,
  error: unknown,
): Promise<void> {
  if (!LightningError.isInstance(error) || error.code !== 'no-signal') return;
  try {
    const episodes = await collector.readEpisodes(await collector.findStep(step));
    const rollout = await describeTellingRollout(collector, episodes);
    const { failureReward } = collector.failures;
    const failures = countFailures(episodes).map((failure) => `- ${describeFailure(failure, failureReward)}`);
    progress.logger.info([...(rollout === undefined ? [] : [rollout]), ...failures].join('\n'));
  } catch (reading) {
    progress.logger.warn(`the rollouts of step ${step} could not be read again: ${String(reading)}`);
  }
}

async function exportResult(algorithm: AlgorithmRun, directory: string): Promise<void> {
  await withFileErrors(directory, async () => {
    await mkdir(directory, { recursive: true });
    await algorithm.exportResult(directory);
  });
}

/**
 * Cancels the rollouts of a run that are still queued or running when the run ends. A store may be shared, and a worker elsewhere would
 * run rollouts that nobody trains on, against a gateway that may be closed. A resumed run takes finished rollouts as they are, and
 * queues cancelled ones again under other ids.
 */
async function cancelRest<Task>({ session, collector, progress }: RunContext<Task>): Promise<void> {
  await session.stop();
  try {
    await collector.cancelUnfinished('its run ended');
  } catch (error) {
    progress.logger.warn(`rollouts that nobody waits for any more could not be cancelled: ${String(error)}`);
  }
}

/** Checks, before the first rollout, that every task has a kind. */
function checkTaskKinds<Task>(taskKind: ((task: Task) => string) | undefined, tasks: readonly Task[]): void {
  for (const task of taskKind === undefined ? [] : tasks) {
    let kind: unknown;
    try {
      kind = taskKind!(task);
    } catch (error) {
      kind = error;
    }
    if (typeof kind !== 'string')
      throw check.optionInvalid(`Trainer: taskKind of ${JSON.stringify(task)}`, kind, 'a string');
  }
}
