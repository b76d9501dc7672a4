/**
 * Group-relative policy optimization, one step after the other. Read this file from top to bottom to see how the agent learns;
 * each step below names the file that has its details.
 *
 *     plan      each task runs `groupSize` times                                  (G tasks × K rollouts)
 *     extend    groups that lost members or failed get more rollouts              plan/extend-groups.ts
 *     learn  1  calls that are too long or too old are left out                   step/trainable-calls.ts
 *            2  rewards → credit → advantages → training samples                  core: lightning-rl/algorithm.ts
 *               with the estimator gae the critic says what states are worth      step/ask-critic.ts
 *            3  passes over the batch, each with an optimizer step:               step/train-on-batch.ts
 *               until the policy has moved by a target, or a fixed number          step/sized-passes.ts, step/fixed-passes.ts
 *            4  the new weights answer new calls, as the next version             policies/policy-set.ts
 *            5  figures, and whether to go on                                     grpo-metrics.ts, step/check-step.ts
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type AlgorithmHost,
  type AlgorithmRun,
  type BackendCapabilities,
  type Episode,
  type LightningBatch,
  type PlannedRollout,
  type Rehearsal,
  type StepOutcome,
  type StepRollouts,
} from '@agent-lightning/core';
import { writeState } from '@agent-lightning/platform';
import { examineRollouts } from './examine-rollouts.ts';
import { createGrpoMetrics, summariseStep, type GrpoMetrics } from './grpo-metrics.ts';
import { advanceGrpoState, initialGrpoState, readGrpoState, type GrpoState } from './grpo-state.ts';
import type { GrpoSettings } from './grpo-options.ts';
import { chooseRate } from './learning-rate.ts';
import { StepPlanner, type PlanState, type StepSoFar } from './plan/step-planner.ts';
import { publishBase } from './policies/create-policy.ts';
import { increaseVersions, PolicySet } from './policies/policy-set.ts';
import { routePolicies } from './policies/route-policies.ts';
import { findUnusedPolicies } from './policies/unused-policies.ts';
import { askCritic } from './step/ask-critic.ts';
import { chooseExcerpts } from './step/choose-excerpts.ts';
import { checkStep, isOffPolicy } from './step/check-step.ts';
import { countSplitCalls } from './step/split-calls.ts';
import type { PolicyPasses } from './step/train-on-batch.ts';
import { trainPolicies } from './step/train-policies.ts';
import { diagnoseSignal } from './step/training-signal.ts';
import { toBatch, type StepBatch } from './to-batch.ts';

/** The file of a checkpoint that keeps the state beside the weights. */
const stateFile = 'grpo.json';
/** The file of a checkpoint that keeps what the plans of later steps depend on. */
const planFile = 'plan.json';

/** A run of {@link grpo}. */
export class GrpoRun implements AlgorithmRun<GrpoMetrics> {
  readonly #settings: GrpoSettings;
  readonly #host: AlgorithmHost;
  readonly #capabilities: BackendCapabilities;
  readonly #policies: PolicySet;
  readonly #planner: StepPlanner;
  /** The unused policies that the user was already told of. */
  readonly #unused = new Set<string>();
  #state: GrpoState;

  private constructor(
    settings: GrpoSettings,
    host: AlgorithmHost,
    capabilities: BackendCapabilities,
    policies: PolicySet,
  ) {
    this.#settings = settings;
    this.#host = host;
    this.#capabilities = capabilities;
    this.#policies = policies;
    this.#state = initialGrpoState(policies.names, policies.initialSizing(settings.startingLearningRate));
    this.#planner = new StepPlanner(settings, host);
  }

  /** Creates the policies from the base model, and tells the gateway which of them answers whom. */
  static async begin(settings: GrpoSettings, host: AlgorithmHost): Promise<GrpoRun> {
    const capabilities = await host.backend!.capabilities();
    const { learningRate, notice } = chooseRate('grpo', settings, capabilities);
    if (notice !== undefined && host.policies.some((each) => each.learningRate === undefined)) host.logger.warn(notice);
    const policies = await PolicySet.create(host.backend!, host.policies, learningRate, host.seed);
    await routePolicies(host);
    return new GrpoRun(settings, host, capabilities, policies);
  }

  /** Publishes the base model for every policy, and trains nothing. */
  static async rehearse(settings: GrpoSettings, host: AlgorithmHost): Promise<Rehearsal> {
    const capabilities = await host.backend!.capabilities();
    await routePolicies(host);
    await publishBase(host);
    return {
      policies: host.policies.map(({ name }) => name),
      examine: (rollouts, episodes) => examineRollouts({ settings, capabilities, ...host }, rollouts, episodes),
    };
  }

  estimate(steps: number): ReturnType<NonNullable<AlgorithmRun['estimate']>> {
    const { groupSize, tasksPerStep, refill, extendFailed } = this.#settings;
    const planned = tasksPerStep * groupSize;
    const further = Math.floor(refill * tasksPerStep) * groupSize + tasksPerStep * Math.floor(extendFailed * groupSize);
    return { rollouts: [steps * planned, steps * (planned + further)], calls: [0, 0] };
  }

  get policies(): readonly string[] {
    return this.#policies.names;
  }

  plan(step: number): readonly PlannedRollout[] {
    return this.#planner.plan(step);
  }

  extend(soFar: StepSoFar): readonly PlannedRollout[] {
    return this.#planner.extend(soFar);
  }

  async publish(): Promise<void> {
    await this.#policies.publish(this.policies, this.#state.policyVersions, this.#host.gateway!);
  }

  async learn({ step, rollouts, ...input }: StepRollouts): Promise<StepOutcome<GrpoMetrics>> {
    const versions = this.#state.policyVersions;
    const { episodes, batch: built } = await input.measure('convert', async () => this.#toBatch(input.episodes));

    const startedAtMs = performance.now();
    const { critic } = this.#settings;
    const { batch, explainedVariance } = await input.measure('train', () =>
      askCritic(built, this.#policies.all, critic),
    );
    const trained = await input.measure('train', () => this.#train(step, batch, input.beforeUpdate));
    const trainSeconds = (performance.now() - startedAtMs) / 1_000;

    const updated = trained.filter(({ passes }) => passes.length > 0).map(({ name }) => name);
    const policyVersions = increaseVersions(versions, updated);
    if (updated.length > 0)
      await input.measure('publish', () => this.#policies.publish(updated, policyVersions, this.#host.gateway!));

    const noSignal = diagnoseSignal(rollouts, episodes, batch);
    const metrics = createGrpoMetrics({
      epoch: this.#planner.epochOf(step),
      episodes,
      batch,
      splitCalls: this.#settings.samples === 'trajectory' ? countSplitCalls(batch, episodes) : undefined,
      explainedVariance,
      trained,
      trainedVersions: versions,
      policyVersions,
      noSignal,
      trainSeconds,
    });
    this.#state = advanceGrpoState(this.#state, {
      step,
      policyVersions,
      optimizerSteps: metrics.optimizerSteps,
      trained,
      episodes,
      rewardRange: batch.rewardRange,
      nodeStatistics: batch.nodeStatistics,
      noSignal,
      isOffPolicy: isOffPolicy(metrics, this.#host),
    });
    this.#planner.advance(step, input.episodes);
    const { warnings, end } = checkStep(metrics, noSignal, this.#state, this.#host);
    return {
      metrics,
      episodes,
      summary: summariseStep(metrics),
      warnings: [...this.#unusedNotices(step, episodes), ...warnings],
      ...(noSignal !== undefined && { isWithoutSignal: true }),
      excerpts: chooseExcerpts(
        batch,
        episodes,
        trained.map(({ firstLogprobs }) => firstLogprobs),
      ),
      ...(end === undefined ? {} : { end }),
    };
  }

  async save(directory: string): Promise<void> {
    await this.#policies.saveState(directory);
    await writeState(join(directory, stateFile), this.#state);
    await writeFile(join(directory, planFile), JSON.stringify(this.#planner.state), { flush: true });
  }

  async load(directory: string): Promise<void> {
    const state = await readGrpoState(join(directory, stateFile), this.#state);
    await this.#policies.loadState(directory);
    this.#planner.state = JSON.parse(await readFile(join(directory, planFile), 'utf8')) as PlanState;
    this.#state = state;
  }

  async discard(directory: string): Promise<void> {
    await this.#policies.discardState(directory);
  }

  /** Writes the trained weights: as an ordinary checkpoint, or where there are several policies one in a folder for each. */
  async exportResult(directory: string): Promise<void> {
    await this.#policies.exportModel(directory);
  }

  #toBatch(episodes: readonly Episode[]): StepBatch {
    const { maxSampleTokens, hasTemperature } = this.#capabilities;
    const { maxStaleness } = this.#host;
    const { policyVersions: versions } = this.#state;
    const limits = { maxSampleTokens, hasTemperature, versions, maxStaleness };
    return toBatch(episodes, this.#settings, limits, this.#state);
  }

  async #train(step: number, batch: LightningBatch, beforeUpdate: () => void): Promise<readonly PolicyPasses[]> {
    const { seed } = this.#host;
    return await trainPolicies(this.#policies.all, batch, {
      settings: this.#settings,
      builtIn: this.#capabilities,
      step,
      seed,
      sizing: this.#state.sizing,
      asked: this.#settings.tasksPerStep * this.#settings.groupSize,
      beforeUpdate,
    });
  }

  #unusedNotices(step: number, episodes: readonly Episode[]): readonly string[] {
    const unused = findUnusedPolicies(this.policies, episodes).filter((name) => !this.#unused.has(name));
    for (const name of unused) this.#unused.add(name);
    return unused.map(
      (name) =>
        `step ${step}: no call that can be trained on reached the policy "${name}"; its agentMatch may match no caller`,
    );
  }
}
