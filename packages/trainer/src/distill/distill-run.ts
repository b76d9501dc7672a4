/**
 * On-policy distillation, one step after the other. Read this file from top to bottom to see how the agent learns.
 *
 *     plan      each task runs `samplesPerTask` times, answered by the policy
 *     learn  1  calls that are too long or too old are left out                    grpo/step/trainable-calls.ts
 *            2  everything that the policy said becomes training samples           mark-samples.ts
 *            3  the teacher marks each token: A_t = lp_T(t) − q_t                  teacher.ts; core: lightning-rl/teacher-advantages.ts
 *               plus the advantage of the rewards, where they have a weight
 *            4  passes over the samples, each with an optimizer step               grpo/step/train-policies.ts
 *            5  the new weights answer new calls, as the next version              grpo/policies/policy-set.ts
 */
import { join } from 'node:path';
import {
  seededRandom,
  type AlgorithmHost,
  type AlgorithmRun,
  type BackendCapabilities,
  type BatchSample,
  type Episode,
  type Examination,
  type PlannedRollout,
  type Rehearsal,
  type Rollout,
  type StepOutcome,
  type StepRollouts,
} from '@agent-lightning/core';
import { writeState } from '@agent-lightning/platform';
import { findUnmatchedPatterns, planGroups, TaskOrder } from '@agent-lightning/run';
import { advanceGrpoState, initialGrpoState, readGrpoState, type GrpoState } from '../grpo/grpo-state.ts';
import { chooseRate } from '../grpo/learning-rate.ts';
import { publishBase } from '../grpo/policies/create-policy.ts';
import { increaseVersions, PolicySet, type PolicyVersions } from '../grpo/policies/policy-set.ts';
import { routePolicies } from '../grpo/policies/route-policies.ts';
import { checkStep, isOffPolicy } from '../grpo/step/check-step.ts';
import { chooseExcerpts } from '../grpo/step/choose-excerpts.ts';
import { withinLimits } from '../grpo/step/trainable-calls.ts';
import { trainPolicies } from '../grpo/step/train-policies.ts';
import { diagnoseSignal, type NoSignal } from '../grpo/step/training-signal.ts';
import { createDistillMetrics, summariseDistillation, type DistillMetrics } from './distill-metrics.ts';
import type { DistillSettings } from './distill-options.ts';
import { markSamples, rewardAdvantages, toSamples } from './mark-samples.ts';
import { TokenizerCheck } from './same-tokenizer.ts';
import type { Teacher } from './teacher.ts';

/** The file of a checkpoint that keeps the state beside the weights. */
const stateFile = 'distill.json';

/** A run of `distill`. */
export class DistillRun implements AlgorithmRun<DistillMetrics> {
  readonly #settings: DistillSettings;
  readonly #host: AlgorithmHost;
  readonly #capabilities: BackendCapabilities;
  readonly #policies: PolicySet;
  readonly #teacher: Teacher;
  readonly #tokenizers: TokenizerCheck;
  readonly #order: TaskOrder;
  #state: GrpoState;

  private constructor(
    settings: DistillSettings,
    teacher: Teacher,
    host: AlgorithmHost,
    capabilities: BackendCapabilities,
    policies: PolicySet,
  ) {
    this.#settings = settings;
    this.#host = host;
    this.#capabilities = capabilities;
    this.#policies = policies;
    this.#teacher = teacher;
    this.#tokenizers = new TokenizerCheck(host.backend!, teacher);
    const { tasksPerStep } = settings;
    this.#order = new TaskOrder({ taskCount: host.tasks.length, tasksPerStep, seed: host.seed });
    this.#state = initialGrpoState(policies.names, policies.initialSizing(settings.startingLearningRate));
  }

  /** Creates the policies from the base model, and tells the gateway which of them answers whom. */
  static async begin(settings: DistillSettings, teacher: Teacher, host: AlgorithmHost): Promise<DistillRun> {
    const capabilities = await host.backend!.capabilities();
    const { learningRate, notice } = chooseRate('distill', { ...settings, estimator: 'grpo' }, capabilities);
    if (notice !== undefined && host.policies.some((each) => each.learningRate === undefined)) host.logger.warn(notice);
    const policies = await PolicySet.create(host.backend!, host.policies, learningRate, host.seed);
    await routePolicies(host);
    return new DistillRun(settings, teacher, host, capabilities, policies);
  }

  /** Publishes the base model for every policy, and trains nothing. */
  static async rehearse(settings: DistillSettings, teacher: Teacher, host: AlgorithmHost): Promise<Rehearsal> {
    const capabilities = await host.backend!.capabilities();
    await routePolicies(host);
    await publishBase(host);
    return {
      policies: host.policies.map(({ name }) => name),
      examine: (rollouts, episodes) => examine(settings, teacher, host, rollouts, episodes.map(limit(capabilities))),
    };
  }

  estimate(steps: number): ReturnType<NonNullable<AlgorithmRun['estimate']>> {
    const { tasksPerStep, samplesPerTask } = this.#settings;
    const rollouts = steps * tasksPerStep * samplesPerTask;
    return { rollouts: [rollouts, rollouts], calls: [0, 0] };
  }

  get policies(): readonly string[] {
    return this.#policies.names;
  }

  plan(step: number): readonly PlannedRollout[] {
    return planGroups(step, this.#host.tasks, this.#order.tasksOf(step), this.#settings.samplesPerTask);
  }

  async publish(): Promise<void> {
    await this.#policies.publish(this.policies, this.#state.policyVersions, this.#host.gateway!);
  }

  async learn({ step, rollouts, ...input }: StepRollouts): Promise<StepOutcome<DistillMetrics>> {
    const { policyVersions: versions } = this.#state;
    const episodes = input.episodes.map(limit(this.#capabilities, versions, this.#host.maxStaleness));
    const reward = rewardAdvantages(episodes, this.#settings, this.#state.rewardRange);
    const unmarked = await input.measure('convert', async () => toSamples(episodes, this.#settings, reward));
    const startedAtMs = performance.now();
    const marked = await input.measure('train', () =>
      markSamples(unmarked, this.#teacher, this.#tokenizers, {
        signal: this.#host.signal,
        shuffle: this.#shuffleOf(step),
      }),
    );
    const trained = await input.measure('train', () => this.#train(step, marked.samples, input.beforeUpdate));
    const trainSeconds = (performance.now() - startedAtMs) / 1_000;

    const updated = trained.filter(({ passes }) => passes.length > 0).map(({ name }) => name);
    const policyVersions = increaseVersions(versions, updated);
    if (updated.length > 0)
      await input.measure('publish', () => this.#policies.publish(updated, policyVersions, this.#host.gateway!));

    const noSignal = diagnose(rollouts, episodes, marked.samples);
    const epoch = this.#order.epochOf(step);
    const metrics = createDistillMetrics({
      epoch,
      episodes,
      ...marked,
      trained,
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
      rewardRange: reward.rewardRange,
      noSignal,
      isOffPolicy: isOffPolicy(metrics, this.#host),
    });
    const { warnings, end } = checkStep(metrics, noSignal, this.#state, this.#host);
    const groupIds = [...new Set(marked.samples.map(({ groupId }) => groupId))];
    return {
      metrics,
      episodes,
      summary: summariseDistillation(metrics),
      warnings,
      ...(noSignal !== undefined && { isWithoutSignal: true }),
      excerpts: chooseExcerpts({ samples: marked.samples, groupIds }, episodes),
      ...(end === undefined ? {} : { end }),
    };
  }

  async save(directory: string): Promise<void> {
    await this.#policies.saveState(directory);
    await writeState(join(directory, stateFile), this.#state);
  }

  async load(directory: string): Promise<void> {
    const state = await readGrpoState(join(directory, stateFile), this.#state);
    await this.#policies.loadState(directory);
    this.#state = state;
  }

  async discard(directory: string): Promise<void> {
    await this.#policies.discardState(directory);
  }

  /** Writes the trained weights: as an ordinary checkpoint, or where there are several policies one in a folder for each. */
  async exportResult(directory: string): Promise<void> {
    await this.#policies.exportModel(directory);
  }

  /** Returns the numbers that shuffle a step's marks; undefined in a run that is no control. */
  #shuffleOf(step: number): (() => number) | undefined {
    const { isControl, seed } = this.#host;
    return isControl ? seededRandom(seed, `marks/${step}`) : undefined;
  }

  async #train(
    step: number,
    samples: readonly BatchSample[],
    beforeUpdate: () => void,
  ): ReturnType<typeof trainPolicies> {
    const { tokenWeighting, tasksPerStep, samplesPerTask } = this.#settings;
    return await trainPolicies(
      this.#policies.all,
      { samples, tokenWeighting },
      {
        settings: this.#settings,
        builtIn: this.#capabilities,
        step,
        seed: this.#host.seed,
        sizing: this.#state.sizing,
        asked: tasksPerStep * samplesPerTask,
        beforeUpdate,
      },
    );
  }
}

/** Returns the function that moves calls which are too long, too old or of another temperature to the untrainable ones. */
function limit(
  { maxSampleTokens }: BackendCapabilities,
  versions: PolicyVersions = {},
  maxStaleness: number = Infinity,
): (episode: Episode) => Episode {
  // Marks are of temperature 1, and so is what the run samples.
  const limits = { maxSampleTokens, hasTemperature: false, versions, maxStaleness, truncated: 'train' } as const;
  return (episode) => withinLimits(episode, limits);
}

function diagnose(
  rollouts: readonly Rollout[],
  episodes: readonly Episode[],
  samples: readonly BatchSample[],
): NoSignal | undefined {
  return diagnoseSignal(rollouts, episodes, { samples, dropped: { zeroVarianceGroups: [], singletonGroups: [] } });
}

/** Says what the teacher thinks of the rollouts of a dry run. */
async function examine(
  settings: DistillSettings,
  teacher: Teacher,
  { backend, signal }: AlgorithmHost,
  rollouts: readonly Rollout[],
  episodes: readonly Episode[],
): Promise<Examination> {
  const unmarked = toSamples(episodes, settings, { of: () => 0 });
  const { samples, klTeacher } = await markSamples(unmarked, teacher, new TokenizerCheck(backend!, teacher), {
    signal,
  });
  const unmatched = findUnmatchedPatterns(episodes).map(({ message }) => message);
  const noSignal = diagnose(rollouts, episodes, samples);
  return {
    ok: samples.length > 0 && unmatched.length === 0,
    episodes,
    samples: samples.length,
    callsInSamples: samples.reduce((sum, { segments }) => sum + segments.length, 0),
    findings: [
      ...(noSignal === undefined ? [] : [noSignal.message]),
      ...(noSignal?.cause === 'no-calls' ? [] : unmatched),
      ...(klTeacher === undefined
        ? []
        : [
            `KL to the teacher, ${teacher.name}: ${klTeacher.toPrecision(3)} nats a token; near 0 there is nothing to learn`,
          ]),
    ],
  };
}
