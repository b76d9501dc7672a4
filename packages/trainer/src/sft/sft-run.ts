/**
 * Supervised fine-tuning, one step after the other. Read this file from top to bottom to see how the agent learns.
 *
 *     plan      each task runs `samplesPerTask` times; none where rollouts ran before  sampled-source.ts, stored-source.ts
 *     learn  1  the rollouts to imitate are selected                               select-demonstrations.ts
 *               the text of others becomes tokens of this model                    encode-episode.ts
 *            2  their calls become training samples; the agent's replies count     core: lightning-rl/demonstrations.ts
 *            3  passes over the samples by cross entropy                           imitate.ts
 *            4  the new weights answer new calls, as the next version              grpo/policies/policy-set.ts
 */
import { join } from 'node:path';
import {
  type AlgorithmHost,
  type AlgorithmRun,
  type BatchSample,
  type PlannedRollout,
  type Rehearsal,
  type StepOutcome,
  type StepRollouts,
} from '@agent-lightning/core';
import { readState, writeState } from '@agent-lightning/platform';
import { advanceStreaks } from '../grpo/grpo-state.ts';
import { publishBase } from '../grpo/policies/create-policy.ts';
import { increaseVersions, PolicySet, type TrainedPolicy } from '../grpo/policies/policy-set.ts';
import { routePolicies } from '../grpo/policies/route-policies.ts';
import { checkSilence } from '../grpo/step/check-step.ts';
import { chooseExcerpts } from '../grpo/step/choose-excerpts.ts';
import { chooseSftRate } from './check-sft-backend.ts';
import { toSamples } from './demonstration-samples.ts';
import type { DemonstrationSource } from './demonstration-source.ts';
import { diagnoseSelection } from './diagnose-selection.ts';
import { examineDemonstrations, examineStored } from './examine-demonstrations.ts';
import { fitCalls } from './fit-calls.ts';
import { imitate } from './imitate.ts';
import { publishTeacher, SampledSource, takeAnswers } from './sampled-source.ts';
import { createSftMetrics, summariseImitation, type SftMetrics } from './sft-metrics.ts';
import type { SftSettings } from './sft-options.ts';
import type { StoredReader } from './stored-demonstrations.ts';
import { StoredSource } from './stored-source.ts';
import { initialSftState, type SftState } from './sft-state.ts';

/** The file of a checkpoint that keeps the state beside the weights. */
const stateFile = 'sft.json';

/** A policy whose learning rate is known. */
type RatedPolicy = TrainedPolicy & { readonly learningRate: number };

/** A run of {@link sft}. */
export class SftRun implements AlgorithmRun<SftMetrics> {
  readonly #settings: SftSettings;
  readonly #host: AlgorithmHost;
  readonly #policies: PolicySet;
  readonly #source: DemonstrationSource;
  #state: SftState;

  private constructor(settings: SftSettings, host: AlgorithmHost, policies: PolicySet, source: DemonstrationSource) {
    this.#settings = settings;
    this.#host = host;
    this.#policies = policies;
    this.#state = initialSftState(policies.names);
    this.#source = source;
  }

  /**
   * Creates the policies from the base model, and tells the gateway which of them answers whom.
   * @param stored reads the rollouts that are imitated where they ran before
   */
  static async begin(settings: SftSettings, host: AlgorithmHost, stored?: StoredReader): Promise<SftRun> {
    const capabilities = await host.backend!.capabilities();
    const rate = chooseSftRate(settings, capabilities);
    const policies = await PolicySet.create(host.backend!, host.policies, rate, host.seed);
    await routePolicies(host);
    const source =
      stored === undefined
        ? new SampledSource(settings, host, capabilities)
        : new StoredSource(settings, host.seed, () => stored.read(host));
    return new SftRun(settings, host, policies, source);
  }

  /** Publishes the base model for every policy, or the teacher in its place, and trains nothing. */
  static async rehearse(settings: SftSettings, host: AlgorithmHost, stored?: StoredReader): Promise<Rehearsal> {
    const capabilities = await host.backend!.capabilities();
    await routePolicies(host);
    await publishBase(host);
    await publishTeacher(settings, host);
    return {
      policies: host.policies.map(({ name }) => name),
      examine: async (rollouts, episodes) =>
        stored === undefined
          ? examineDemonstrations(
              settings,
              rollouts,
              fitCalls((await takeAnswers(settings, host, rollouts, episodes)).episodes, capabilities),
            )
          : examineStored(settings, await stored.read(host)),
    };
  }

  estimate(steps: number): ReturnType<NonNullable<AlgorithmRun['estimate']>> {
    const { from, tasksPerStep, samplesPerTask } = this.#settings;
    const rollouts = from === undefined ? steps * tasksPerStep * samplesPerTask : 0;
    return { rollouts: [rollouts, rollouts], calls: [0, 0] };
  }

  get policies(): readonly string[] {
    return this.#policies.names;
  }

  async plan(step: number): Promise<readonly PlannedRollout[]> {
    return await this.#source.plan(step);
  }

  async publish(): Promise<void> {
    await this.#policies.publish(this.policies, this.#state.policyVersions, this.#host.gateway!);
  }

  async learn({ step, rollouts, ...input }: StepRollouts): Promise<StepOutcome<SftMetrics>> {
    const demonstrations = await input.measure('convert', () => this.#source.choose(step, rollouts, input.episodes));
    const { episodes, selection } = demonstrations;
    const samples = await input.measure('convert', async () => toSamples(selection.kept, this.#settings));
    const startedAtMs = performance.now();
    const trained = await input.measure('train', () => this.#imitate(step, samples, input.beforeUpdate));
    const trainSeconds = (performance.now() - startedAtMs) / 1_000;
    const updated = trained.filter(({ passes }) => passes.length > 0).map(({ name }) => name);
    const policyVersions = increaseVersions(this.#state.policyVersions, updated);
    const published = this.#source.hasTeacher ? this.policies : updated; // the teacher answers until the policy is published again
    if (published.length > 0)
      await input.measure('publish', () => this.#policies.publish(published, policyVersions, this.#host.gateway!));

    const noSignal = diagnoseSelection(rollouts, episodes, selection);
    const epoch = this.#source.epochOf(step);
    const metrics = createSftMetrics({ epoch, demonstrations, samples, trained, policyVersions, trainSeconds });
    const { optimizerSteps } = metrics;
    this.#state = {
      ...this.#state,
      ...advanceStreaks(this.#state, { step, optimizerSteps, episodes, noSignal }),
      policyVersions,
      ...(this.#source instanceof StoredSource && { stored: this.#source.expected! }),
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
      excerpts: chooseExcerpts(
        { samples, groupIds: [...new Set(samples.map(({ groupId }) => groupId))] },
        selection.kept,
      ),
      ...(end === undefined ? {} : { end }),
    };
  }

  async save(directory: string): Promise<void> {
    await this.#policies.saveState(directory);
    await writeState(join(directory, stateFile), this.#state);
  }

  async load(directory: string): Promise<void> {
    const state = await readState<SftState>(join(directory, stateFile), this.#state.format);
    await this.#policies.loadState(directory);
    if (this.#source instanceof StoredSource) this.#source.expected = state.stored;
    this.#state = { ...state, outageStreak: 0 }; // a user who resumes a run has repaired its model
  }

  async discard(directory: string): Promise<void> {
    await this.#policies.discardState(directory);
  }

  /** Writes the trained weights: as an ordinary checkpoint, or where there are several policies one in a folder for each. */
  async exportResult(directory: string): Promise<void> {
    await this.#policies.exportModel(directory);
  }

  async #imitate(step: number, samples: readonly BatchSample[], beforeUpdate: () => void): ReturnType<typeof imitate> {
    const { seed } = this.#host;
    // `check` has rejected policies that size their updates themselves.
    const policies = this.#policies.all as readonly RatedPolicy[];
    return await imitate(policies, samples, { settings: this.#settings, step, seed, beforeUpdate });
  }
}
