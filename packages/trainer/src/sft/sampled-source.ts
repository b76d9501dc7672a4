import {
  type AlgorithmHost,
  type BackendCapabilities,
  type Episode,
  type PlannedRollout,
  type Rollout,
} from '@agent-lightning/core';
import { planGroups, TaskOrder } from '@agent-lightning/run';
import type { DemonstrationSource, StepDemonstrations } from './demonstration-source.ts';
import { encodeEpisode, type EncodedEpisode } from './encode-episode.ts';
import { fitCalls } from './fit-calls.ts';
import { selectDemonstrations } from './select-demonstrations.ts';
import type { SftSettings } from './sft-options.ts';

/** Rollouts that the run samples: answered by the policy itself, whose tokens are known, or by a teacher, whose text is encoded. */
export class SampledSource implements DemonstrationSource {
  readonly #settings: SftSettings;
  readonly #host: AlgorithmHost;
  readonly #capabilities: BackendCapabilities;
  readonly #order: TaskOrder;

  constructor(settings: SftSettings, host: AlgorithmHost, capabilities: BackendCapabilities) {
    this.#settings = settings;
    this.#host = host;
    this.#capabilities = capabilities;
    const { tasksPerStep } = settings;
    this.#order = new TaskOrder({ taskCount: host.tasks.length, tasksPerStep, seed: host.seed });
  }

  get hasTeacher(): boolean {
    return this.#settings.teacher !== undefined;
  }

  async plan(step: number): Promise<readonly PlannedRollout[]> {
    await publishTeacher(this.#settings, this.#host);
    return planGroups(step, this.#host.tasks, this.#order.tasksOf(step), this.#settings.samplesPerTask);
  }

  async choose(_step: number, rollouts: readonly Rollout[], given: readonly Episode[]): Promise<StepDemonstrations> {
    const { episodes, rendered } = await takeAnswers(this.#settings, this.#host, rollouts, given);
    const fit = fitCalls(episodes, this.#capabilities);
    return {
      episodes: fit,
      selection: selectDemonstrations(fit, this.#settings, taskOf),
      calls: { rendered, leftOut: fit.reduce((sum, { untrainable }) => sum + untrainable.length, 0) },
    };
  }

  epochOf(step: number): number {
    return this.#order.epochOf(step);
  }
}

/** Lets the teacher answer new calls in the place of every policy, where there is one. */
export async function publishTeacher(
  { teacher }: SftSettings,
  { gateway, policies }: Pick<AlgorithmHost, 'gateway' | 'policies'>,
): Promise<void> {
  if (teacher === undefined) return;
  for (const { name } of policies)
    await gateway!.publish(name, { kind: 'openai', version: 0, reportsTokens: false, ...teacher });
}

/** Returns the episodes with the answers that are imitated: the policy's own tokens, or what the teacher said, encoded for the policy. */
export async function takeAnswers(
  { teacher }: SftSettings,
  { backend, policies, readSpans }: Pick<AlgorithmHost, 'backend' | 'policies' | 'readSpans'>,
  rollouts: readonly Rollout[],
  episodes: readonly Episode[],
): Promise<{ readonly episodes: readonly Episode[]; readonly rendered: number }> {
  if (teacher === undefined) return { episodes, rendered: 0 };
  const encode = backend!.encodeAnswer!.bind(backend);
  const spans = Map.groupBy(await readSpans(rollouts), ({ rolloutId }) => rolloutId);
  const encoded: EncodedEpisode[] = [];
  for (const episode of episodes)
    encoded.push(await encodeEpisode(episode, spans.get(episode.rollout.rolloutId) ?? [], { encode, policies }));
  return {
    episodes: encoded.map(({ episode }) => episode),
    rendered: encoded.reduce((sum, each) => sum + each.rendered, 0),
  };
}

/** Names the task of a rollout that was sampled in a run: those of one group are of one task. */
export function taskOf({ rollout }: Episode): string {
  return rollout.groupId ?? rollout.rolloutId;
}
