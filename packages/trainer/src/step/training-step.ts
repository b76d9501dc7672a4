import { buildBatch, type Episode, type LightningBatch, type Transition } from '@agent-lightning/core';
import type { PhaseClock } from '../phase-clock.ts';
import { planTrainingStep } from '../rollouts/planned-rollout.ts';
import { summariseRewards } from '../rollouts/reward-summary.ts';
import { kindReader, type RunContext } from '../run-context.ts';
import { seededRandom } from '../seeded-random.ts';
import { shuffleRewards } from './shuffled-control.ts';
import type { StepRecord } from './step-metrics.ts';
import { trainOnBatch } from './train-on-batch.ts';
import { diagnoseSignal } from './training-signal.ts';

export interface TrainingStepInput {
  readonly step: number;
  readonly epoch: number;
  readonly taskIndexes: readonly number[];
  /** The version that samples. */
  readonly policyVersion: number;
  readonly clock: PhaseClock;
  /** Called right before the weights change for the first time. */
  readonly beforeUpdate: () => void;
}

/** What a step leaves for its line in the metrics and for the report. */
export type TrainingStepResult = Omit<StepRecord, 'validation' | 'seconds' | 'wallSeconds'>;

/** Rollouts → episodes → batch → optimizer steps → a new version. */
export async function runTrainingStep<Task>(
  context: RunContext<Task>,
  input: TrainingStepInput,
): Promise<TrainingStepResult> {
  const { options, collector, progress, policy, session } = context;
  const { step, clock, policyVersion } = input;
  const { algorithm } = options;
  const planned = planTrainingStep(step, context.fit.train, input.taskIndexes, algorithm.groupSize);
  progress.begin(step, 'rollout', planned.length);
  const rollouts = await clock.measure('rollout', () => collector.collect(planned, context.stopping));
  progress.begin(step, 'train');
  const { episodes, batch } = await clock.measure('convert', async () => {
    const trainable = (await collector.readEpisodes(rollouts)).map((episode) =>
      withoutLongCalls(episode, context.maxRowTokens),
    );
    return { episodes: trainable, batch: toBatch(context, step, trainable) };
  });
  const outcome = await clock.measure('train', () =>
    trainOnBatch(batch, {
      policy,
      algorithm,
      step,
      random: seededRandom(options.seed, `minibatches/${step}`),
      beforeUpdate: input.beforeUpdate,
    }),
  );
  const newVersion = outcome.optimizerSteps > 0 ? step : policyVersion;
  if (newVersion !== policyVersion) await clock.measure('publish', () => session.publish(newVersion));
  return {
    step,
    epoch: input.epoch,
    rollouts,
    episodes,
    batch,
    outcome,
    trainedVersion: policyVersion,
    policyVersion: newVersion,
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

/** Calls that the backend cannot train on, because they are too long, become untrainable ones. No row is longer than its longest call. */
function withoutLongCalls(episode: Episode, maxRowTokens: number): Episode {
  const isTooLong = (call: Transition): boolean => call.promptTokens.length + call.responseTokens.length > maxRowTokens;
  if (!episode.transitions.some(isTooLong)) return episode;
  return {
    ...episode,
    transitions: episode.transitions
      .filter((call) => !isTooLong(call))
      .map((call, callIndex) => ({ ...call, callIndex })),
    untrainable: [
      ...episode.untrainable,
      ...episode.transitions.filter(isTooLong).map((call) => ({
        spanId: call.spanId,
        agentName: call.agentName,
        reason: `the call has ${call.promptTokens.length + call.responseTokens.length} tokens, and the backend trains rows of at most ${maxRowTokens}`,
      })),
    ],
  };
}
