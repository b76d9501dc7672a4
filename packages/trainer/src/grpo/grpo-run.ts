/**
 * Group-relative policy optimization, one step after the other. Read this file from top to bottom to see how the agent learns;
 * each step below names the file that has its details.
 *
 *     plan      each task runs `groupSize` times                                  (G tasks × K rollouts)
 *     learn  1  calls that are too long or too old are left out                   step/trainable-calls.ts
 *            2  rewards → credit → advantages → training samples                  core: lightning-rl/algorithm.ts
 *            3  a forward-backward pass and an optimizer step for each minibatch  step/train-on-batch.ts
 *            4  the new weights answer new calls, as the next version             policies/policy-set.ts
 *            5  figures, and whether to go on                                     grpo-metrics.ts, step/check-step.ts
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  TrainerError,
  type AlgorithmHost,
  type AlgorithmRun,
  type BackendCapabilities,
  type Episode,
  type LightningBatch,
  type PlannedRollout,
  type Rehearsal,
  type Rollout,
  type StepOutcome,
  type StepRollouts,
} from '@agent-lightning/core';
import { planGroups, TaskOrder } from '@agent-lightning/run';
import { examineRollouts } from './examine-rollouts.ts';
import { createGrpoMetrics, summariseStep, type GrpoMetrics } from './grpo-metrics.ts';
import { advanceGrpoState, initialGrpoState, type GrpoState } from './grpo-state.ts';
import type { GrpoSettings } from './grpo-options.ts';
import { chooseRate } from './learning-rate.ts';
import { publishBase } from './policies/create-policy.ts';
import { PolicySet, type PolicyVersions } from './policies/policy-set.ts';
import { routePolicies } from './policies/route-policies.ts';
import { findUnusedPolicies } from './policies/unused-policies.ts';
import { chooseExcerpts } from './step/choose-excerpts.ts';
import { checkStep, isOffPolicy } from './step/check-step.ts';
import type { PolicyPasses } from './step/train-on-batch.ts';
import { trainPolicies } from './step/train-policies.ts';
import { diagnoseSignal } from './step/training-signal.ts';
import { toBatch, type StepBatch } from './to-batch.ts';

/** The file of a checkpoint that keeps the state beside the weights. */
const stateFile = 'grpo.json';

/** A run of {@link grpo}. */
export class GrpoRun implements AlgorithmRun<GrpoMetrics> {
  readonly #settings: GrpoSettings;
  readonly #host: AlgorithmHost;
  readonly #capabilities: BackendCapabilities;
  readonly #policies: PolicySet;
  readonly #order: TaskOrder;
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
    this.#order = new TaskOrder({
      taskCount: host.tasks.length,
      tasksPerStep: settings.tasksPerStep,
      seed: host.seed,
    });
  }

  /** Creates the policies from the base model, and tells the gateway which of them answers whom. */
  static async begin(settings: GrpoSettings, host: AlgorithmHost): Promise<GrpoRun> {
    const capabilities = await host.backend!.capabilities();
    const { learningRate, notice } = chooseRate(settings, capabilities);
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

  get policies(): readonly string[] {
    return this.#policies.names;
  }

  plan(step: number): readonly PlannedRollout[] {
    return planGroups(step, this.#host.tasks, this.#order.tasksOf(step), this.#settings.groupSize);
  }

  async publish(): Promise<void> {
    await this.#policies.publish(this.policies, this.#state.policyVersions, this.#host.gateway!);
  }

  async learn({ step, rollouts, ...input }: StepRollouts): Promise<StepOutcome<GrpoMetrics>> {
    const versions = this.#state.policyVersions;
    const { episodes, batch } = await input.measure('convert', async () => this.#toBatch(input.episodes));

    const startedAtMs = performance.now();
    const trained = await input.measure('train', () => this.#train(step, batch, input.beforeUpdate));
    const trainSeconds = (performance.now() - startedAtMs) / 1_000;

    const updated = trained.filter(({ passes }) => passes.length > 0).map(({ name }) => name);
    const policyVersions = increase(versions, updated);
    if (updated.length > 0)
      await input.measure('publish', () => this.#policies.publish(updated, policyVersions, this.#host.gateway!));

    const noSignal = diagnoseSignal(rollouts, episodes, batch);
    const metrics = createGrpoMetrics({
      epoch: this.#order.epochOf(step),
      episodes,
      batch,
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
      sizing: Object.fromEntries(
        trained.flatMap(({ name, sized }) => (sized === undefined ? [] : [[name, sized.sizing]])),
      ),
      rewards: episodes.flatMap(({ reward }) => reward ?? []),
      rewardRange: batch.rewardRange,
      noSignal,
      isOffPolicy: isOffPolicy(metrics, this.#host),
      hasCalls: hasCalls(rollouts, episodes),
    });
    const { warnings, end } = checkStep(metrics, noSignal, this.#state, this.#host);
    return {
      metrics,
      episodes,
      summary: summariseStep(metrics),
      warnings: [...this.#unusedNotices(step, episodes), ...warnings],
      excerpts: chooseExcerpts(batch, episodes),
      ...(end === undefined ? {} : { end }),
    };
  }

  async save(directory: string): Promise<void> {
    await this.#policies.saveState(directory);
    await writeFile(join(directory, stateFile), JSON.stringify(this.#state), { flush: true });
  }

  async load(directory: string): Promise<void> {
    const path = join(directory, stateFile);
    const state = JSON.parse(await readFile(path, 'utf8')) as GrpoState;
    if (state.format !== 1)
      throw new TrainerError(`${path} has the format ${String(state.format)}; this version reads format 1`, {
        code: 'resume-mismatch',
      });
    await this.#policies.loadState(directory);
    this.#state = { ...state, sizing: { ...this.#state.sizing, ...state.sizing }, outageStreak: 0 }; // a user who resumes a run has repaired its model
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
    const { policyVersions: versions, rewardRange } = this.#state;
    const limits = { maxSampleTokens, hasTemperature, versions, maxStaleness };
    return toBatch(episodes, this.#settings, limits, rewardRange);
  }

  async #train(step: number, batch: LightningBatch, beforeUpdate: () => void): Promise<readonly PolicyPasses[]> {
    const { seed } = this.#host;
    return await trainPolicies(this.#policies.all, batch, {
      settings: this.#settings,
      builtIn: this.#capabilities,
      step,
      seed,
      sizing: this.#state.sizing,
      asked: this.#order.tasksOf(step).length * this.#settings.groupSize,
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

function increase(versions: PolicyVersions, names: readonly string[]): PolicyVersions {
  return { ...versions, ...Object.fromEntries(names.map((name) => [name, (versions[name] ?? 0) + 1])) };
}

/** Tells whether a rollout succeeded, and whether a call can be trained on. */
function hasCalls(rollouts: readonly Rollout[], episodes: readonly Episode[]): boolean {
  return (
    rollouts.some(({ status }) => status === 'succeeded') && episodes.some(({ transitions }) => transitions.length > 0)
  );
}
