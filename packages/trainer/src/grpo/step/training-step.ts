import { buildBatch, type Episode, type LightningBatch, type Rollout, seededRandom } from '@agent-lightning/core';
import { type PhaseClock, summariseRewards, shuffleRewards } from '@agent-lightning/run';
import type { PolicyVersions } from '../policies/policy-set.ts';
import { kindReader, type RunContext } from '../../run-context.ts';
import type { StepRecord } from './step-metrics.ts';
import { trainPolicies } from './train-policies.ts';
import { withinLimits } from './trainable-calls.ts';
import { diagnoseSignal } from './training-signal.ts';

export interface TrainingStepInput {
  readonly step: number;
  readonly epoch: number;
  /** The step's rollouts, all final. */
  readonly rollouts: readonly Rollout[];
  /** The versions that are trained; in a synchronous run those that sampled. */
  readonly versions: PolicyVersions;
  readonly clock: PhaseClock;
  /** Called right before the weights change for the first time. */
  readonly beforeUpdate: () => void;
}

/** What a step leaves for its line in the metrics and for the report. */
export type TrainingStepResult = Omit<StepRecord, 'validation' | 'seconds' | 'wallSeconds' | 'load'>;

/** Rollouts → episodes → batch → optimizer steps. What is trained is not published here. */
export async function runTrainingStep<Task>(
  context: RunContext<Task>,
  input: TrainingStepInput,
): Promise<TrainingStepResult> {
  const { options, collector, progress, maxRowTokens } = context;
  const { step, clock, rollouts, versions } = input;
  progress.begin(step, 'train');
  const { episodes, batch } = await clock.measure('convert', async () => {
    const limits = { maxRowTokens, versions, maxStaleness: options.maxStaleness };
    const trainable = (await collector.readEpisodes(rollouts)).map((episode) => withinLimits(episode, limits));
    return { episodes: trainable, batch: toBatch(context, step, trainable) };
  });
  const trained = await clock.measure('train', () => trainPolicies(context, batch, step, input.beforeUpdate));
  const updated = trained
    .filter(({ passes }) => passes.length > 0)
    .map(({ name }): [string, number] => [name, (versions[name] ?? 0) + 1]);
  return {
    step,
    epoch: input.epoch,
    rollouts,
    episodes,
    batch,
    trained,
    trainedVersions: versions,
    policyVersions: { ...versions, ...Object.fromEntries(updated) },
    reward: summariseRewards(episodes, kindReader(options)),
    noSignal: diagnoseSignal(rollouts, episodes, batch),
  };
}

function toBatch<Task>(context: RunContext<Task>, step: number, episodes: readonly Episode[]): LightningBatch {
  const { options } = context;
  const { credit, estimator, rows, tokenWeighting, intermediate } = options.algorithm;
  const judged =
    options.control === 'shuffled' ? shuffleRewards(episodes, seededRandom(options.seed, `shuffle/${step}`)) : episodes;
  return buildBatch(judged, {
    credit,
    estimator,
    rows,
    tokenWeighting,
    ...(intermediate === undefined ? {} : { intermediate }),
  });
}
