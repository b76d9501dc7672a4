import type { Episode, Rollout } from '@agent-lightning/core';
import { countByKind, countTurnLimits, failureCodeOf } from './failures/failure-counts.ts';
import type { IdleShare, PhaseSeconds, RewardSummary, StepMetrics, ValidationMetrics } from './metrics.ts';

/** The input of {@link createStepMetrics}. */
export interface StepRecord {
  readonly step: number;
  readonly rollouts: readonly Rollout[];
  /** The episodes as they were collected. */
  readonly collected: readonly Episode[];
  /** The episodes as they were learned from. */
  readonly episodes: readonly Episode[];
  /** The rewards before any shuffling. */
  readonly reward: RewardSummary;
  readonly validation: ValidationMetrics | undefined;
  /** The reward of failed rollouts. */
  readonly failureReward: number;
  readonly load: StepLoad;
  readonly seconds: PhaseSeconds;
  readonly wallSeconds: number;
}

/** The load of the machine during a step. */
export interface StepLoad {
  readonly queueDepth: number;
  readonly idleShare: IdleShare;
  /** The time in which the step's tokens were sampled. */
  readonly samplingSeconds: number;
}

/** Returns the line of a step in `metrics.jsonl`, without what the algorithm adds. */
export function createStepMetrics(record: StepRecord): StepMetrics {
  const { rollouts, episodes, seconds, load } = record;
  const transitions = episodes.flatMap((episode) => episode.transitions);
  const tokensSampled = transitions.reduce((sum, transition) => sum + transition.responseIds.length, 0);
  const succeeded = rollouts.filter((rollout) => rollout.status === 'succeeded').length;
  const calls = record.collected.flatMap((episode) => episode.transitions);
  const truncated = calls.filter((call) => call.finishReason === 'length').length;
  return {
    step: record.step,
    reward: record.reward,
    ...(record.validation === undefined ? {} : { validation: record.validation }),
    rollouts: rollouts.length,
    succeeded,
    failed: rollouts.length - succeeded,
    failures: countFailures(rollouts),
    failureKinds: countByKind(episodes),
    failureReward: record.failureReward,
    turnLimited: countTurnLimits(record.collected),
    retries: rollouts.reduce((sum, { attemptCount }) => sum + Math.max(0, attemptCount - 1), 0),
    withoutCalls: episodes.filter((episode) => episode.transitions.length === 0).length,
    withoutReward: episodes.filter((episode) => episode.reward === undefined).length,
    transitions: transitions.length,
    truncatedShare: calls.length === 0 ? 0 : truncated / calls.length,
    untrainableCalls: episodes.reduce((sum, episode) => sum + episode.untrainable.length, 0),
    traceProblems: episodes.reduce((sum, episode) => sum + (episode.problems?.length ?? 0), 0),
    tokensSampled,
    queueDepth: load.queueDepth,
    idleShare: { trainer: toThousandths(load.idleShare.trainer), samplers: toThousandths(load.idleShare.samplers) },
    seconds: roundSeconds(seconds),
    sampledTokensPerSecond: load.samplingSeconds > 0 ? Math.round(tokensSampled / load.samplingSeconds) : 0,
    wallSeconds: toThousandths(record.wallSeconds),
  };
}

function countFailures(rollouts: readonly Rollout[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const rollout of rollouts) {
    if (rollout.status === 'succeeded') continue;
    const code = failureCodeOf(rollout);
    counts[code] = (counts[code] ?? 0) + 1;
  }
  return counts;
}

function roundSeconds(seconds: PhaseSeconds): PhaseSeconds {
  const { rollout, convert, train, publish, validate, checkpoint } = seconds;
  return {
    rollout: toThousandths(rollout),
    convert: toThousandths(convert),
    train: toThousandths(train),
    publish: toThousandths(publish),
    validate: toThousandths(validate),
    checkpoint: toThousandths(checkpoint),
  };
}

function toThousandths(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
