import type { Episode, LightningBatch, Rollout } from '@agent-lightning/core';
import type { PhaseSeconds, RewardSummary, StepMetrics, ValidationMetrics } from '../metrics.ts';
import type { TrainOutcome } from './train-on-batch.ts';
import type { NoSignal } from './training-signal.ts';

/** Everything that a step's line is made of. */
export interface StepRecord {
  readonly step: number;
  readonly epoch: number;
  /** The version that was trained, which sampled the step's rollouts. */
  readonly trainedVersion: number;
  /** The version after the step. */
  readonly policyVersion: number;
  readonly rollouts: readonly Rollout[];
  readonly episodes: readonly Episode[];
  /** Before any shuffling. */
  readonly reward: RewardSummary;
  readonly batch: LightningBatch;
  readonly outcome: TrainOutcome;
  readonly noSignal: NoSignal | undefined;
  readonly validation: ValidationMetrics | undefined;
  readonly seconds: PhaseSeconds;
  readonly wallSeconds: number;
}

/** One line of `metrics.jsonl`. */
export function createStepMetrics(record: StepRecord): StepMetrics {
  const { rollouts, episodes, batch, outcome, seconds } = record;
  const { offPolicy, ...trained } = outcome;
  const transitions = episodes.flatMap((episode) => episode.transitions);
  const tokensSampled = transitions.reduce((sum, transition) => sum + transition.responseTokens.length, 0);
  const tokensProcessed = batch.rows.reduce((sum, row) => sum + row.tokens.length, 0);
  const succeeded = rollouts.filter((rollout) => rollout.status === 'succeeded').length;
  return {
    step: record.step,
    epoch: record.epoch,
    policyVersion: record.policyVersion,
    reward: record.reward,
    ...(record.validation === undefined ? {} : { validation: record.validation }),
    rollouts: rollouts.length,
    succeeded,
    failed: rollouts.length - succeeded,
    failures: countFailures(rollouts),
    withoutCalls: episodes.filter((episode) => episode.transitions.length === 0).length,
    withoutReward: episodes.filter((episode) => episode.reward === undefined).length,
    groupsUsed: batch.groupIds.length,
    groupsZeroVariance: batch.dropped.zeroVarianceGroups.length,
    groupsSingleton: batch.dropped.singletonGroups.length,
    transitions: transitions.length,
    untrainableCalls: episodes.reduce((sum, episode) => sum + episode.untrainable.length, 0),
    traceProblems: episodes.reduce((sum, episode) => sum + (episode.problems?.length ?? 0), 0),
    rows: batch.rows.length,
    tokensProcessed,
    tokensSampled,
    ...trained,
    ...offPolicy,
    ...staleness(transitions.map((transition) => record.trainedVersion - transition.policyVersion)),
    ...(record.noSignal === undefined ? {} : { noSignal: record.noSignal.cause }),
    seconds: roundSeconds(seconds),
    sampledTokensPerSecond: perSecond(tokensSampled, seconds.rollout),
    trainedTokensPerSecond: perSecond(tokensProcessed, seconds.train),
    wallSeconds: round(record.wallSeconds),
  };
}

function countFailures(rollouts: readonly Rollout[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { status, failure } of rollouts) {
    if (status === 'succeeded') continue;
    const code = failure?.code ?? status;
    counts[code] = (counts[code] ?? 0) + 1;
  }
  return counts;
}

function staleness(ages: readonly number[]): Pick<StepMetrics, 'stalenessMean' | 'stalenessMax'> {
  if (ages.length === 0) return {};
  return { stalenessMean: ages.reduce((sum, age) => sum + age, 0) / ages.length, stalenessMax: Math.max(...ages) };
}

function roundSeconds(seconds: PhaseSeconds): PhaseSeconds {
  const { rollout, convert, train, publish, validate, checkpoint } = seconds;
  return {
    rollout: round(rollout),
    convert: round(convert),
    train: round(train),
    publish: round(publish),
    validate: round(validate),
    checkpoint: round(checkpoint),
  };
}

function perSecond(count: number, seconds: number): number {
  return seconds > 0 ? Math.round(count / seconds) : 0;
}

/** To milliseconds. */
function round(seconds: number): number {
  return Math.round(seconds * 1_000) / 1_000;
}
