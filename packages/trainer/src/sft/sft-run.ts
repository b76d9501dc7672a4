/**
 * Supervised fine-tuning, one step after the other. Read this file from top to bottom to see how the agent learns.
 *
 *     plan      each task runs `samplesPerTask` times
 *     learn  1  the rollouts to imitate are selected                               select-demonstrations.ts
 *            2  their calls become training samples; the agent's replies count     core: lightning-rl/demonstrations.ts
 *            3  passes over the samples by cross entropy                           imitate.ts
 *            4  the new weights answer new calls, as the next version              grpo/policies/policy-set.ts
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  TrainerError,
  type AlgorithmHost,
  type AlgorithmRun,
  type BackendCapabilities,
  type BatchSample,
  type Episode,
  type PlannedRollout,
  type Rehearsal,
  type StepOutcome,
  type StepRollouts,
} from '@agent-lightning/core';
import { planGroups, TaskOrder } from '@agent-lightning/run';
import { advanceStreaks } from '../grpo/grpo-state.ts';
import { publishBase } from '../grpo/policies/create-policy.ts';
import { PolicySet, type PolicyVersions, type TrainedPolicy } from '../grpo/policies/policy-set.ts';
import { routePolicies } from '../grpo/policies/route-policies.ts';
import { checkSilence } from '../grpo/step/check-step.ts';
import { chooseExcerpts } from '../grpo/step/choose-excerpts.ts';
import { withinLimits } from '../grpo/step/trainable-calls.ts';
import { chooseSftRate } from './check-sft-backend.ts';
import { taskOf, toSamples } from './demonstration-samples.ts';
import { diagnoseSelection } from './diagnose-selection.ts';
import { examineDemonstrations } from './examine-demonstrations.ts';
import { imitate } from './imitate.ts';
import { selectDemonstrations, type Selection } from './select-demonstrations.ts';
import { createSftMetrics, summariseImitation, type SftMetrics } from './sft-metrics.ts';
import type { SftSettings } from './sft-options.ts';
import { initialSftState, type SftState } from './sft-state.ts';

/** The file of a checkpoint that keeps the state beside the weights. */
const stateFile = 'sft.json';

/** A policy whose learning rate is known. */
type RatedPolicy = TrainedPolicy & { readonly learningRate: number };

/** A run of {@link sft}. */
export class SftRun implements AlgorithmRun<SftMetrics> {
  readonly #settings: SftSettings;
  readonly #host: AlgorithmHost;
  readonly #capabilities: BackendCapabilities;
  readonly #policies: PolicySet;
  readonly #order: TaskOrder;
  #state: SftState;

  private constructor(
    settings: SftSettings,
    host: AlgorithmHost,
    capabilities: BackendCapabilities,
    policies: PolicySet,
  ) {
    this.#settings = settings;
    this.#host = host;
    this.#capabilities = capabilities;
    this.#policies = policies;
    this.#state = initialSftState(policies.names);
    const { tasksPerStep } = settings;
    this.#order = new TaskOrder({ taskCount: host.tasks.length, tasksPerStep, seed: host.seed });
  }

  /** Creates the policies from the base model, and tells the gateway which of them answers whom. */
  static async begin(settings: SftSettings, host: AlgorithmHost): Promise<SftRun> {
    const capabilities = await host.backend!.capabilities();
    const rate = chooseSftRate(settings, capabilities);
    const policies = await PolicySet.create(host.backend!, host.policies, rate, host.seed);
    await routePolicies(host);
    return new SftRun(settings, host, capabilities, policies);
  }

  /** Publishes the base model for every policy, and trains nothing. */
  static async rehearse(settings: SftSettings, host: AlgorithmHost): Promise<Rehearsal> {
    const capabilities = await host.backend!.capabilities();
    await routePolicies(host);
    await publishBase(host);
    return {
      policies: host.policies.map(({ name }) => name),
      examine: (rollouts, episodes) => examineDemonstrations(settings, rollouts, fitCalls(episodes, capabilities)),
    };
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

  async learn({ step, rollouts, ...input }: StepRollouts): Promise<StepOutcome<SftMetrics>> {
    const { episodes, selection, samples } = await input.measure('convert', async () =>
      this.#select(fitCalls(input.episodes, this.#capabilities)),
    );
    const startedAtMs = performance.now();
    const trained = await input.measure('train', () => this.#imitate(step, samples, input.beforeUpdate));
    const trainSeconds = (performance.now() - startedAtMs) / 1_000;
    const updated = trained.filter(({ passes }) => passes.length > 0).map(({ name }) => name);
    const policyVersions = increase(this.#state.policyVersions, updated);
    if (updated.length > 0)
      await input.measure('publish', () => this.#policies.publish(updated, policyVersions, this.#host.gateway!));

    const noSignal = diagnoseSelection(rollouts, episodes, selection);
    const epoch = this.#order.epochOf(step);
    const metrics = createSftMetrics({ epoch, selection, samples, trained, policyVersions, trainSeconds });
    const { optimizerSteps } = metrics;
    const rewards = episodes.flatMap(({ reward }) => reward ?? []);
    const hasCalls = episodes.some(
      ({ rollout, transitions }) => rollout.status === 'succeeded' && transitions.length > 0,
    );
    this.#state = {
      ...this.#state,
      ...advanceStreaks(this.#state, { step, optimizerSteps, rewards, noSignal, hasCalls }),
      policyVersions,
    };
    const end = noSignal === undefined ? undefined : checkSilence(noSignal, this.#state, this.#host);
    return {
      metrics,
      episodes,
      summary: summariseImitation(metrics),
      ...(noSignal !== undefined && {
        isWithoutSignal: true,
        warnings: [`step ${step} taught nothing: ${noSignal.message}`],
      }),
      excerpts: chooseExcerpts({ samples, groupIds: [...new Set(samples.map(({ groupId }) => groupId))] }, episodes),
      ...(end === undefined ? {} : { end }),
    };
  }

  async save(directory: string): Promise<void> {
    await this.#policies.saveState(directory);
    await writeFile(join(directory, stateFile), JSON.stringify(this.#state), { flush: true });
  }

  async load(directory: string): Promise<void> {
    const path = join(directory, stateFile);
    const state = JSON.parse(await readFile(path, 'utf8')) as SftState;
    if (state.format !== 1)
      throw new TrainerError(`${path} has the format ${String(state.format)}; this version reads format 1`, {
        code: 'resume-mismatch',
      });
    await this.#policies.loadState(directory);
    this.#state = { ...state, outageStreak: 0 }; // a user who resumes a run has repaired its model
  }

  async discard(directory: string): Promise<void> {
    await this.#policies.discardState(directory);
  }

  /** Writes the trained weights: as an ordinary checkpoint, or where there are several policies one in a folder for each. */
  async exportResult(directory: string): Promise<void> {
    await this.#policies.exportModel(directory);
  }

  /** Selects the rollouts to imitate, and makes training samples of them. */
  #select(episodes: readonly Episode[]): {
    readonly episodes: readonly Episode[];
    readonly selection: Selection;
    readonly samples: readonly BatchSample[];
  } {
    const selection = selectDemonstrations(episodes, this.#settings, taskOf);
    return { episodes, selection, samples: toSamples(selection.kept, this.#settings) };
  }

  async #imitate(step: number, samples: readonly BatchSample[], beforeUpdate: () => void): ReturnType<typeof imitate> {
    const { seed } = this.#host;
    // `check` has rejected policies that size their updates themselves.
    const policies = this.#policies.all as readonly RatedPolicy[];
    return await imitate(policies, samples, { settings: this.#settings, step, seed, beforeUpdate });
  }
}

/** Moves calls that are too long for the backend to the untrainable ones. */
function fitCalls(
  episodes: readonly Episode[],
  { maxSampleTokens }: Pick<BackendCapabilities, 'maxSampleTokens'>,
): readonly Episode[] {
  // A text is imitated whoever sampled it, when, and at what temperature.
  const limits = {
    maxSampleTokens,
    hasTemperature: true,
    versions: {},
    maxStaleness: Infinity,
    truncated: 'train',
  } as const;
  return episodes.map((episode) => withinLimits(episode, limits));
}

function increase(versions: PolicyVersions, names: readonly string[]): PolicyVersions {
  return { ...versions, ...Object.fromEntries(names.map((name) => [name, (versions[name] ?? 0) + 1])) };
}
