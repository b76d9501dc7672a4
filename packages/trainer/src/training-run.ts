import type { PlannedRollout, Rollout } from '@agent-lightning/core';
import { StepExcerpts } from '@agent-lightning/report';
import {
  advanceShares,
  advanceState,
  AilmentWatch,
  createStepMetrics,
  FaultNotices,
  chooseBest,
  findFailureJump,
  findRisenFailures,
  findSharedTasks,
  initialState,
  measureAnswers,
  PhaseClock,
  RolloutWindow,
  ShuffledControl,
  summariseRewards,
  withFileErrors,
  type RunState,
  type StepLoad,
  type ToldFinding,
  type ValidationMetrics,
  toCurve,
} from '@agent-lightning/run';
import { CallReport } from './call-report.ts';
import { checkOwnNames } from './check-own-names.ts';
import { tellCost, tellEstimate } from './estimate.ts';
import { findEarlyEnd } from './early-end.ts';
import { evaluateForVerdict, loadBest, sayVerdict } from './evaluate/run-verdict.ts';
import { kindReader, toReportContext, writeCharts, type RunContext } from './run-context.ts';
import type { FinishedStep, KeptStep } from './finished-step.ts';
import { createScorer, type GroupScorer } from './group-reward.ts';
import { lowestReturnOf } from './lowest-return.ts';
import { RunMetrics } from './run-metrics.ts';
import { StepEpisodes } from './step-episodes.ts';
import type { StepMetrics } from './step-metrics.ts';
import { isUnfinished, type StopReason } from './training-result.ts';
import { spendMetrics } from './spend-metrics.ts';
import { validate } from './validation.ts';

/** Carries out an algorithm: validation, steps and checkpoints, until the run is done, has converged, is interrupted or cannot go on. */
export class TrainingRun<Task> {
  readonly #context: RunContext<Task>;
  readonly #window: RolloutWindow;
  readonly excerpts: StepExcerpts;
  readonly metrics: RunMetrics;
  readonly #faults = new FaultNotices();
  readonly #calls: CallReport;
  /** True once the user was told that the failure reward is above what rollouts earn. */
  #hasComplained = false;
  /** True once the user was told about what the rest of the run costs. */
  #hasTold = false;
  readonly #ailments: AilmentWatch;
  readonly #scorer: GroupScorer<Task> | undefined;
  /** Undefined in a run that is no control. */
  readonly #control: ShuffledControl | undefined;
  readonly #startedAtMs: number = performance.now();
  #state: RunState = initialState;
  #wallSecondsBefore = 0;
  /** The newest step that a checkpoint holds. */
  #savedStep = -1;
  /** Seconds spent on checkpoints since the newest line of the metrics. */
  #checkpointSeconds = 0;
  /** True while the algorithm is where it was after the state's step; false once it has changed further. */
  #isAlgorithmAtState = true;
  #lastMetrics: StepMetrics | undefined;
  /** The newest step whose rollouts were read, learned from or not. */
  #readStep: number | undefined;
  #kept: KeptStep | undefined;

  constructor(context: RunContext<Task>) {
    const { fit, options, directory, collector } = context;
    this.#context = context;
    this.metrics = new RunMetrics(context);
    this.#calls = new CallReport(context.progress.logger);
    this.excerpts = new StepExcerpts(directory);
    this.#scorer = createScorer(context);
    this.#ailments = new AilmentWatch(options.algorithm.ailments ?? [], {
      isControl: options.control === 'shuffled',
      heldOutTasks: fit.validation.length,
      sharedTasks: findSharedTasks(fit.train, fit.validation),
    });
    const { comparesSteps = false } = options.algorithm.uses;
    this.#control =
      options.control === 'shuffled' ? new ShuffledControl({ seed: options.seed, comparesSteps }) : undefined;
    this.#window = new RolloutWindow({
      collector,
      ahead: options.maxStaleness,
      lastStep: fit.steps,
      plan: (step) => this.#plan(step),
    });
  }

  get state(): RunState {
    return this.#state;
  }

  /** The step that the run keeps, which the algorithm then is at; undefined before the end of the run. */
  get kept(): KeptStep | undefined {
    return this.#kept;
  }

  /** The newest step whose rollouts are final; it may be past the state's, when it could not be learned from. */
  get lastStep(): number {
    return this.#readStep ?? this.#state.step;
  }

  /** The ailments that were found so far, for the report. */
  get findings(): readonly ToldFinding[] {
    return this.#ailments.findings;
  }

  /** Trains from where the run is, and returns why it ended. An error that ends the run is thrown after the last good step was saved. */
  async run(): Promise<StopReason> {
    try {
      await this.#begin();
      const reason = await this.#loop();
      this.#calls.runEnded();
      if (!isUnfinished(reason)) await this.#validateFinally();
      await this.#save();
      if (!isUnfinished(reason)) await this.#judge();
      return reason;
    } catch (thrown) {
      const { failed } = this.#context.session;
      const error: unknown = failed.aborted ? failed.reason : thrown;
      const end = findEarlyEnd(error, this.#context);
      if (end === 'interrupted' || end === 'limit-reached') {
        await this.#saveIfGood();
        return end;
      }
      await this.#saveIfGood().catch((saving: unknown) =>
        this.#context.progress.logger.warn(`could not save a checkpoint either: ${String(saving)}`),
      );
      throw end ?? error;
    }
  }

  async #begin(): Promise<void> {
    const { directory, algorithm, fit, collector, progress, session, meter } = this.#context;
    // First of all, before anything slow: otherwise the store's watchdog ends the rollouts of a dead process as timed out, and they would count.
    const cancelled = fit.resume ? await collector.cancelUnfinished('its process ended') : 0;
    let kept: readonly StepMetrics[] = [];
    const checkpoint = fit.resume ? await directory.checkpoints.latest() : undefined;
    if (checkpoint !== undefined) {
      this.#state = checkpoint.state;
      collector.failures.resume(checkpoint.state.lowestReturn);
      if (this.#control !== undefined) this.#control.source = checkpoint.state.control;
      this.#savedStep = checkpoint.state.step;
      this.#wallSecondsBefore = checkpoint.state.wallSeconds;
      await algorithm.load(checkpoint.directory);
      const lines = await directory.readMetrics<StepMetrics>();
      this.#lastMetrics = lines.findLast((metrics) => metrics.step === checkpoint.state.step);
      kept = lines.filter(({ step }) => step <= this.#state.step);
      this.#recall(kept);
    }
    if (fit.resume) {
      await directory.truncateMetrics(this.#state.step);
      progress.logger.info(
        `resuming after step ${this.#state.step} of ${fit.steps}; ${cancelled} rollouts of the process before run again`,
      );
    }
    this.metrics.begin(this.#wallSecondsBefore, this.#state.validationBefore, kept);
    await writeCharts(this.#context);
    await algorithm.publish();
    meter.begin();
    tellEstimate(this.#context, this.#state.step);
    session.start();
    if (this.#state.step === 0) {
      await this.#validateFirst();
      this.#tell(this.#ailments.begin(this.#state.validationBefore).told);
      await this.#evaluateStart();
    }
    await this.#save();
  }

  async #loop(): Promise<StopReason> {
    const { fit, options, interrupted, meter } = this.#context;
    while (this.#state.step < fit.steps) {
      if (interrupted.aborted) return 'interrupted';
      meter.reached.throwIfAborted();
      if ((await this.#step(this.#state.step + 1)) === 'converged') return 'converged';
      const { step, best } = this.#state;
      if (step % options.checkpointEvery === 0 || step === best?.step) await this.#save();
    }
    return 'completed';
  }

  /** Runs one step: collects its rollouts, learns, validates, and writes the metrics. */
  async #step(step: number): Promise<'go-on' | 'converged'> {
    const { options, progress, session } = this.#context;
    const clock = new PhaseClock();
    session.load.begin();
    progress.begin(step, 'rollout');
    const episodes = new StepEpisodes(this.#context.collector, this.#scorer, this.#context.meter.reached);
    const rollouts = await clock.measure('rollout', () => this.#collect(step, episodes, clock));
    const queueDepth = await this.#window.queueDepth();
    progress.begin(step, 'train');
    const finished = await this.#learn(step, rollouts, episodes, clock);
    const validation = await clock.measure('validate', () => this.#validateOnTheWay(step));
    const metrics = await this.#endStep(finished, validation, clock, this.#loadOf(clock, queueDepth));
    for (const warning of finished.outcome.warnings ?? []) progress.logger.warn(warning);
    this.#calls.stepEnded(finished);
    if (metrics.spend !== undefined && !this.#hasTold) {
      tellCost(this.#context, step);
      this.#hasTold = true;
    }
    try {
      await options.hooks.onStep?.(metrics);
    } catch (error) {
      progress.logger.warn(`onStep failed after step ${metrics.step}: ${String(error)}`);
    }
    const { end } = finished.outcome;
    if (end instanceof Error) throw end;
    const risen = end === 'converged' && !this.#control && findRisenFailures(step, this.#state.failures);
    if (risen) throw risen;
    return end ?? 'go-on';
  }

  /** Returns the rollouts of a step, with those that the algorithm asks for when it has seen the others. */
  async #collect(step: number, read: StepEpisodes, clock: PhaseClock): Promise<readonly Rollout[]> {
    const { algorithm, options, progress, stopping, meter } = this.#context;
    if (algorithm.extend === undefined) return await this.#window.collect(step, stopping);
    return await this.#window.collect(step, stopping, async (planned, rollouts) => {
      const episodes = await clock.measure('convert', () => read.read(rollouts));
      const given = this.#control?.give(step, episodes, 'extend') ?? episodes;
      const further = await meter.requireCalls(() => algorithm.extend!({ step, planned, rollouts, episodes: given }));
      if (further.length > 0 && options.maxStaleness === 0) progress.begin(step, 'rollout', further.length);
      return further;
    });
  }

  /** Gives the rollouts to the algorithm; in a control run with other rewards. */
  async #learn(
    step: number,
    rollouts: readonly Rollout[],
    read: StepEpisodes,
    clock: PhaseClock,
  ): Promise<FinishedStep> {
    const { options, algorithm, meter } = this.#context;
    const episodes = await clock.measure('convert', () => read.read(rollouts));
    this.#readStep = step;
    const jump = findFailureJump(step, this.#state.failures, episodes);
    if (jump !== undefined) throw jump;
    const given = this.#control?.give(step, episodes, 'learn') ?? episodes;
    const outcome = await meter.requireCalls(async () => {
      const learned = await algorithm.learn({
        step,
        rollouts,
        episodes: given,
        beforeUpdate: () => {
          this.#isAlgorithmAtState = false;
        },
        measure: (phase, work) => clock.measure(phase, work),
      });
      this.#isAlgorithmAtState = false;
      return learned;
    });
    const reward = summariseRewards(episodes, kindReader(options));
    const answers = measureAnswers(episodes);
    return { step, rollouts, reward, answers, outcome, collected: given, episodes: outcome.episodes ?? given };
  }

  /** Plans a step, and shows how many rollouts it waits for; not while runners work on later steps too. */
  async #plan(step: number): Promise<readonly PlannedRollout[]> {
    const { algorithm, options, progress } = this.#context;
    const planned = await algorithm.plan(step);
    if (options.maxStaleness === 0) progress.begin(step, 'rollout', planned.length);
    return planned;
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
    { step, rollouts, reward, answers, outcome, collected, episodes }: FinishedStep,
    validation: ValidationMetrics | undefined,
    clock: PhaseClock,
    load: StepLoad,
  ): Promise<StepMetrics> {
    const { directory, progress, options, collector } = this.#context;
    const { failureReward, complaint } = collector.failures;
    const common = createStepMetrics({
      step,
      rollouts,
      collected,
      episodes,
      reward,
      answers,
      validation,
      failureReward,
      load,
      seconds: { ...clock.seconds, checkpoint: this.#checkpointSeconds },
      wallSeconds: this.#wallSeconds(),
    });
    checkOwnNames(options.algorithm.name, outcome.metrics, common);
    const figures: StepMetrics = { ...common, ...spendMetrics(this.#context), ...outcome.metrics };
    const { codes, told } = this.#ailments.observe(figures);
    const metrics: StepMetrics = { ...figures, ...(codes.length === 0 ? {} : { ailments: codes }) };
    this.#state = {
      ...advanceState(this.#state, metrics),
      ...lowestReturnOf(collector),
      failures: advanceShares(this.#state.failures, episodes),
      ...(this.#control?.source === undefined ? {} : { control: this.#control.source }),
    };
    this.#isAlgorithmAtState = true;
    this.#lastMetrics = metrics;
    this.#checkpointSeconds = 0;
    await directory.appendMetrics(metrics);
    this.metrics.add(metrics);
    await this.excerpts.keep({ step, rollouts: outcome.excerpts ?? [] }, toReportContext(this.#context).tokenTexts);
    progress.stepEnded(metrics, outcome.summary ?? []);
    for (const notice of this.#faults.collect(step, episodes, failureReward)) progress.logger.warn(notice);
    if (complaint !== undefined && !this.#hasComplained) progress.logger.warn(`step ${step}: ${complaint}`);
    this.#hasComplained ||= complaint !== undefined;
    this.#tell(told);
    return metrics;
  }

  async #validateFirst(): Promise<void> {
    const validation = await validate(this.#context, 0, true);
    if (validation === undefined) return;
    const { totals } = this.#state;
    this.#state = {
      ...this.#state,
      validationBefore: validation,
      ...lowestReturnOf(this.#context.collector),
      curve: [{ step: 0, ...toCurve(validation) }],
      totals: { ...totals, rollouts: totals.rollouts + validation.rollouts },
      wallSeconds: this.#wallSeconds(),
    };
    this.metrics.addValidation(0, validation);
  }

  /** Validates between the first and the last validation; an interruption leaves it out, since the step itself is done. */
  async #validateOnTheWay(step: number): Promise<ValidationMetrics | undefined> {
    const { fit } = this.#context;
    if (fit.validationEvery === 0 || step % fit.validationEvery !== 0 || step >= fit.steps) return undefined;
    try {
      return await validate(this.#context, step, false);
    } catch (error) {
      if (typeof findEarlyEnd(error, this.#context) === 'string') return undefined;
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
    const { ailments: _, ...before } = last;
    const figures: StepMetrics = {
      ...before,
      validation,
      seconds: { ...last.seconds, validate: validateSeconds },
      wallSeconds: this.#wallSeconds(),
    };
    const { codes, told } = this.#ailments.observe(figures);
    const metrics: StepMetrics = { ...figures, ...(codes.length === 0 ? {} : { ailments: codes }) };
    this.#tell(told);
    await this.#context.directory.truncateMetrics(last.step - 1, metrics);
    this.metrics.addValidation(last.step, validation);
    this.#lastMetrics = metrics;
    const { curve, totals } = this.#state;
    this.#state = {
      ...this.#state,
      ...lowestReturnOf(this.#context.collector),
      curve: curve.map((point) => (point.step === last.step ? { ...point, ...toCurve(validation) } : point)),
      totals: { ...totals, rollouts: totals.rollouts + validation.rollouts },
      wallSeconds: metrics.wallSeconds,
      ...chooseBest(this.#state, last.step, validation),
    };
    this.#savedStep = -1; // the state changed without a step
  }

  /** Runs the tasks of the verdict before anything is learned. */
  async #evaluateStart(): Promise<void> {
    const baseline = await evaluateForVerdict(this.#context, 0);
    if (baseline === undefined) return;
    this.#state = {
      ...this.#state,
      baseline,
      ...lowestReturnOf(this.#context.collector),
      wallSeconds: this.#wallSeconds(),
    };
  }

  /** Goes back to the step that the run keeps, and compares it with the start. */
  async #judge(): Promise<void> {
    const { fit, algorithm, progress } = this.#context;
    const { step: last, baseline } = this.#state;
    // A checkpoint of an earlier version has a baseline without a failure reward, whose failures are scored already.
    if (fit.verdict === undefined || baseline?.failureReward === undefined) {
      if (fit.verdict !== undefined)
        progress.logger.warn(
          'no verdict can be said: the checkpoint of this run has no evaluation of its start, or one of an earlier version',
        );
      this.#kept = { step: last, verdict: undefined };
      return;
    }
    this.#isAlgorithmAtState = false;
    const step = await loadBest(this.#context, this.#state);
    // The same agent, run again, would differ by luck alone.
    const candidate = algorithm.isUnchanged === true ? baseline : await evaluateForVerdict(this.#context, step);
    const verdict = await sayVerdict(this.#context, step, baseline, candidate!);
    this.#state = { ...this.#state, wallSeconds: this.#wallSeconds() };
    this.#kept = { step, verdict };
  }

  /** Gives the lines of the processes before to the watch, which then knows what it has told. */
  #recall(lines: readonly StepMetrics[]): void {
    if (lines.length > 0) this.#ailments.begin(this.#state.validationBefore);
    for (const line of lines) this.#ailments.observe(line);
  }

  #tell(findings: readonly ToldFinding[]): void {
    for (const { step, code, message } of findings)
      this.#context.progress.logger.warn(`${step === 0 ? '' : `step ${step}: `}${code}: ${message}`);
  }

  async #save(): Promise<void> {
    if (this.#savedStep === this.#state.step) return;
    const { directory, algorithm, meter } = this.#context;
    const startedAtMs = performance.now();
    await meter.flush();
    await withFileErrors(directory.file('checkpoints'), () => directory.checkpoints.save(algorithm, this.#state));
    this.#checkpointSeconds += (performance.now() - startedAtMs) / 1_000;
    this.#savedStep = this.#state.step;
  }

  /** Saves the last step that is done, unless the algorithm has changed since: then the newest checkpoint stays the last good one. */
  async #saveIfGood(): Promise<void> {
    if (this.#isAlgorithmAtState && this.#state.step > 0) await this.#save();
  }

  #wallSeconds(): number {
    return this.#wallSecondsBefore + (performance.now() - this.#startedAtMs) / 1_000;
  }
}
