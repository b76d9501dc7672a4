import { LightningError } from '@agent-lightning/core';
import {
  type StepMetrics,
  type ValidationMetrics,
  PhaseClock,
  planTrainingStep,
  RolloutWindow,
  TaskOrder,
  withFileErrors,
  FaultNotices,
  advanceState,
  initialState,
  type TrainerState,
} from '@agent-lightning/run';
import { StepSamples } from '@agent-lightning/report';
import type { RunContext } from './run-context.ts';
import { judgeDivergence, judgeSilence, verdictOf } from './grpo/step/judge-step.ts';
import { createStepMetrics, type StepLoad } from './grpo/step/step-metrics.ts';
import { runTrainingStep, type TrainingStepResult } from './grpo/step/training-step.ts';
import type { StopReason } from './training-result.ts';
import { validate } from './validation.ts';

/** The loop: validation, steps, checkpoints, until it is done, interrupted, solved or hopeless. */
export class TrainingRun<Task> {
  readonly #context: RunContext<Task>;
  readonly #order: TaskOrder;
  readonly #window: RolloutWindow;
  readonly samples: StepSamples;
  readonly #faults = new FaultNotices();
  readonly #startedAtMs: number = performance.now();
  #state: TrainerState;
  #wallSecondsBefore = 0;
  /** The newest step that a checkpoint holds. */
  #savedStep = -1;
  /** Spent on checkpoints since the newest line of the metrics. */
  #checkpointSeconds = 0;
  /** Whether the policy's weights are those after the state's step, or already beyond. */
  #isPolicyAtState = true;
  #lastMetrics: StepMetrics | undefined;

  constructor(context: RunContext<Task>) {
    const { fit, options, directory, collector, policies } = context;
    this.#context = context;
    this.#state = initialState(policies.names);
    this.samples = new StepSamples(directory);
    this.#order = new TaskOrder({
      taskCount: fit.train.length,
      tasksPerStep: options.algorithm.tasksPerStep,
      seed: options.seed,
    });
    this.#window = new RolloutWindow({
      collector,
      ahead: options.maxStaleness,
      lastStep: fit.steps,
      plan: (step) => planTrainingStep(step, fit.train, this.#order.tasksOf(step), options.algorithm.groupSize),
    });
  }

  get state(): TrainerState {
    return this.#state;
  }

  /** Trains from where the run is. An interruption is an end like another; what cannot go on is thrown, after saving what is good. */
  async run(): Promise<StopReason> {
    try {
      await this.#begin();
      const reason = await this.#loop();
      if (reason !== 'interrupted') await this.#validateFinally();
      await this.#save();
      return reason;
    } catch (thrown) {
      const { failed } = this.#context.session;
      const error: unknown = failed.aborted ? failed.reason : thrown;
      if (isInterruption(error, this.#context.interrupted)) {
        await this.#saveIfGood();
        return 'interrupted';
      }
      await this.#saveIfGood().catch((saving: unknown) =>
        this.#context.progress.logger.warn(`could not save a checkpoint either: ${String(saving)}`),
      );
      throw error;
    }
  }

  async #begin(): Promise<void> {
    const { directory, policies, fit, collector, progress, session } = this.#context;
    // Before anything that takes long: the store's watchdog would end what a dead process left as timed out, which is data.
    const cancelled = fit.resume ? await collector.cancelUnfinished('its process ended') : 0;
    const checkpoint = fit.resume ? await directory.checkpoints.latest() : undefined;
    if (checkpoint !== undefined) {
      this.#state = { ...checkpoint.state, outageStreak: 0 };
      this.#savedStep = checkpoint.state.step;
      this.#wallSecondsBefore = checkpoint.state.wallSeconds;
      await policies.loadState(checkpoint.directory);
      this.#lastMetrics = (await directory.readMetrics()).findLast((metrics) => metrics.step === checkpoint.state.step);
    }
    if (fit.resume) {
      await directory.truncateMetrics(this.#state.step);
      progress.logger.info(
        `resuming after step ${this.#state.step} of ${fit.steps}; ${cancelled} rollouts of the process before run again`,
      );
    }
    await policies.publish(policies.names, this.#state.policyVersions, session);
    session.start();
    if (this.#state.step === 0) await this.#validateFirst();
    await this.#save();
  }

  async #loop(): Promise<StopReason> {
    const { fit, options, interrupted } = this.#context;
    while (this.#state.step < fit.steps) {
      if (interrupted.aborted) return 'interrupted';
      if ((await this.#step(this.#state.step + 1)) === 'converged') return 'converged';
      if (this.#state.step % options.checkpointEvery === 0) await this.#save();
    }
    return 'completed';
  }

  /** Collects, trains, publishes, validates, and writes down what came of it. */
  async #step(step: number): Promise<'go-on' | 'converged'> {
    const { options, progress, policies, session } = this.#context;
    const clock = new PhaseClock();
    session.load.begin();
    progress.begin(step, 'rollout', this.#rolloutsToShow());
    const rollouts = await clock.measure('rollout', () => this.#window.collect(step, this.#context.stopping));
    const queueDepth = await this.#window.queueDepth();
    const versions = this.#state.policyVersions;
    const result = await runTrainingStep(this.#context, {
      step,
      clock,
      epoch: this.#order.epochOf(step),
      rollouts,
      versions,
      beforeUpdate: () => {
        this.#isPolicyAtState = false;
      },
    });
    const { policyVersions } = result;
    const updated = policies.names.filter((name) => policyVersions[name] !== versions[name]);
    if (updated.length > 0) await clock.measure('publish', () => policies.publish(updated, policyVersions, session));
    const validation = await clock.measure('validate', () => this.#validateOnTheWay(step));
    const metrics = await this.#endStep(result, validation, clock, this.#loadOf(clock, queueDepth));
    const warning = judgeDivergence(metrics, this.#state, options);
    if (warning !== undefined) progress.logger.warn(warning);
    if (result.noSignal === undefined) return 'go-on';
    progress.logger.warn(`step ${step} taught nothing: ${result.noSignal.message}`);
    return judgeSilence(result.noSignal, this.#state, options);
  }

  /** How many rollouts a step waits for; unknown while runners work on later steps too. */
  #rolloutsToShow(): number {
    const { maxStaleness, algorithm } = this.#context.options;
    return maxStaleness === 0 ? algorithm.tasksPerStep * algorithm.groupSize : 0;
  }

  #loadOf(clock: PhaseClock, queueDepth: number): StepLoad {
    const { session, options } = this.#context;
    const { rollout, validate: validating } = clock.seconds;
    return {
      queueDepth,
      idleShare: { trainer: rollout / clock.wallSeconds, samplers: session.load.idleShare() },
      samplingSeconds: options.maxStaleness === 0 ? rollout : clock.wallSeconds - validating,
    };
  }

  async #endStep(
    result: TrainingStepResult,
    validation: ValidationMetrics | undefined,
    clock: PhaseClock,
    load: StepLoad,
  ): Promise<StepMetrics> {
    const { directory, progress, options, policies } = this.#context;
    const metrics = createStepMetrics({
      ...result,
      validation,
      load,
      seconds: { ...clock.seconds, checkpoint: this.#checkpointSeconds },
      wallSeconds: this.#wallSeconds(),
    });
    const verdict = verdictOf(metrics, result.noSignal, options);
    this.#state = advanceState(this.#state, metrics, { ...verdict, policyVersions: result.policyVersions });
    this.#isPolicyAtState = true;
    this.#lastMetrics = metrics;
    this.#checkpointSeconds = 0;
    await directory.appendMetrics(metrics);
    await this.samples.keep(result, this.#context);
    progress.stepEnded(metrics);
    const { step, rollouts, episodes } = result;
    for (const notice of this.#faults.of(step, rollouts, episodes, policies.names)) progress.logger.warn(notice);
    try {
      await options.hooks.onStep?.(metrics);
    } catch (error) {
      progress.logger.warn(`onStep failed after step ${metrics.step}: ${String(error)}`);
    }
    return metrics;
  }

  async #validateFirst(): Promise<void> {
    const validation = await validate(this.#context, 0, true);
    if (validation === undefined) return;
    const { totals } = this.#state;
    this.#state = {
      ...this.#state,
      validationBefore: validation,
      curve: [{ step: 0, validation: validation.reward }],
      totals: { ...totals, rollouts: totals.rollouts + validation.rollouts },
      wallSeconds: this.#wallSeconds(),
    };
  }

  /** Between the first and the last validation; an interruption leaves it out, since the step itself is done. */
  async #validateOnTheWay(step: number): Promise<ValidationMetrics | undefined> {
    const { fit, interrupted } = this.#context;
    if (fit.validationEvery === 0 || step % fit.validationEvery !== 0 || step >= fit.steps) return undefined;
    try {
      return await validate(this.#context, step, false);
    } catch (error) {
      if (isInterruption(error, interrupted)) return undefined;
      throw error;
    }
  }

  /** Validates on all held-out tasks after the last step, and writes that into the step's line. */
  async #validateFinally(): Promise<void> {
    const last = this.#lastMetrics;
    if (last === undefined || last.validation?.complete === true) return;
    const startedAtMs = performance.now();
    const validation = await validate(this.#context, last.step, true);
    if (validation === undefined) return;
    const validateSeconds = last.seconds.validate + (performance.now() - startedAtMs) / 1_000;
    const metrics: StepMetrics = {
      ...last,
      validation,
      seconds: { ...last.seconds, validate: validateSeconds },
      wallSeconds: this.#wallSeconds(),
    };
    await this.#context.directory.truncateMetrics(last.step - 1, metrics);
    this.#lastMetrics = metrics;
    const { curve, totals } = this.#state;
    this.#state = {
      ...this.#state,
      curve: curve.map((point) => (point.step === last.step ? { ...point, validation: validation.reward } : point)),
      totals: { ...totals, rollouts: totals.rollouts + validation.rollouts },
      wallSeconds: metrics.wallSeconds,
    };
    this.#savedStep = -1; // the state changed without a step
  }

  async #save(): Promise<void> {
    if (this.#savedStep === this.#state.step) return;
    const { directory, policies } = this.#context;
    const startedAtMs = performance.now();
    await withFileErrors(directory.file('checkpoints'), () => directory.checkpoints.save(policies, this.#state));
    this.#checkpointSeconds += (performance.now() - startedAtMs) / 1_000;
    this.#savedStep = this.#state.step;
  }

  /** Saves the last step that is done, unless the weights are already beyond it: then the newest checkpoint is what is good. */
  async #saveIfGood(): Promise<void> {
    if (this.#isPolicyAtState && this.#state.step > 0) await this.#save();
  }

  #wallSeconds(): number {
    return this.#wallSecondsBefore + (performance.now() - this.#startedAtMs) / 1_000;
  }
}

/** Whether an error is only the user's interruption, come back from what was waiting. */
function isInterruption(error: unknown, interrupted: AbortSignal): boolean {
  return interrupted.aborted && LightningError.isInstance(error) && error.code === 'cancelled';
}
