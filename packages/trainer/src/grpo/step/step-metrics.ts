import type { Episode, LightningBatch, Rollout, Transition } from '@agent-lightning/core';
import type {
  IdleShare,
  PhaseSeconds,
  PolicyMetrics,
  RewardSummary,
  StalenessMetrics,
  StepMetrics,
  TrainedMetrics,
  ValidationMetrics,
} from '@agent-lightning/run';
import type { PolicyVersions } from '../policies/policy-set.ts';
import { summarisePasses } from './train-outcome.ts';
import { countStaleCalls, stalenessOf } from './trainable-calls.ts';
import type { PolicyPasses } from './train-on-batch.ts';
import type { NoSignal } from './training-signal.ts';

/** Everything that a step's line is made of. */
export interface StepRecord {
  readonly step: number;
  readonly epoch: number;
  /** The versions that were trained. */
  readonly trainedVersions: PolicyVersions;
  /** The versions after the step. */
  readonly policyVersions: PolicyVersions;
  readonly rollouts: readonly Rollout[];
  readonly episodes: readonly Episode[];
  /** Before any shuffling. */
  readonly reward: RewardSummary;
  readonly batch: LightningBatch;
  /** Of each policy. */
  readonly trained: readonly PolicyPasses[];
  readonly noSignal: NoSignal | undefined;
  readonly validation: ValidationMetrics | undefined;
  readonly load: StepLoad;
  readonly seconds: PhaseSeconds;
  readonly wallSeconds: number;
}

/** What waited, for what and how long. */
export interface StepLoad {
  readonly queueDepth: number;
  readonly idleShare: IdleShare;
  /** In which the step's tokens were sampled. */
  readonly samplingSeconds: number;
}

/** One line of `metrics.jsonl`. */
export function createStepMetrics(record: StepRecord): StepMetrics {
  const { rollouts, episodes, batch, seconds, trained } = record;
  const transitions = episodes.flatMap((episode) => episode.transitions);
  const tokensSampled = transitions.reduce((sum, transition) => sum + transition.responseTokens.length, 0);
  const tokensProcessed = batch.rows.reduce((sum, row) => sum + row.tokens.length, 0);
  const succeeded = rollouts.filter((rollout) => rollout.status === 'succeeded').length;
  const { zeroVarianceGroups, singletonGroups } = batch.dropped;
  const groups = batch.groupIds.length + zeroVarianceGroups.length + singletonGroups.length;
  return {
    step: record.step,
    epoch: record.epoch,
    policyVersion: Math.max(...Object.values(record.policyVersions)),
    reward: record.reward,
    ...(record.validation === undefined ? {} : { validation: record.validation }),
    rollouts: rollouts.length,
    succeeded,
    failed: rollouts.length - succeeded,
    failures: countFailures(rollouts),
    withoutCalls: episodes.filter((episode) => episode.transitions.length === 0).length,
    withoutReward: episodes.filter((episode) => episode.reward === undefined).length,
    groupsUsed: batch.groupIds.length,
    groupsZeroVariance: zeroVarianceGroups.length,
    groupsSingleton: singletonGroups.length,
    zeroVarianceShare: shareOf(zeroVarianceGroups.length, groups),
    transitions: transitions.length,
    truncatedShare: shareOf(transitions.filter((call) => call.finishReason === 'length').length, transitions.length),
    untrainableCalls: episodes.reduce((sum, episode) => sum + episode.untrainable.length, 0),
    staleCalls: countStaleCalls(episodes),
    traceProblems: episodes.reduce((sum, episode) => sum + (episode.problems?.length ?? 0), 0),
    rows: batch.rows.length,
    tokensProcessed,
    tokensSampled,
    ...trainedMetrics(trained),
    ...staleness(transitions, record.trainedVersions),
    ...(trained.length === 1 ? {} : { policies: policyMetrics(record, transitions) }),
    ...(record.noSignal === undefined ? {} : { noSignal: record.noSignal.cause }),
    queueDepth: record.load.queueDepth,
    idleShare: { trainer: round(record.load.idleShare.trainer), samplers: round(record.load.idleShare.samplers) },
    seconds: roundSeconds(seconds),
    sampledTokensPerSecond: perSecond(tokensSampled, record.load.samplingSeconds),
    trainedTokensPerSecond: perSecond(tokensProcessed, seconds.train),
    wallSeconds: round(record.wallSeconds),
  };
}

/** The figures of each policy, by name. */
function policyMetrics(
  { trained, batch, trainedVersions, policyVersions }: StepRecord,
  transitions: readonly Transition[],
): Readonly<Record<string, PolicyMetrics>> {
  return Object.fromEntries(
    trained.map((each): [string, PolicyMetrics] => {
      const own = transitions.filter((call) => call.policy === each.name);
      return [
        each.name,
        {
          policyVersion: policyVersions[each.name] ?? 0,
          transitions: own.length,
          rows: batch.rows.filter((row) => row.policy === each.name).length,
          ...trainedMetrics([each]),
          ...staleness(own, trainedVersions),
        },
      ];
    }),
  );
}

function trainedMetrics(trained: readonly PolicyPasses[]): TrainedMetrics {
  const { offPolicy, ...outcome } = summarisePasses(trained);
  return { ...outcome, ...offPolicy };
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

function staleness(transitions: readonly Transition[], versions: PolicyVersions): StalenessMetrics {
  if (transitions.length === 0) return {};
  const ages = transitions.map((call) => stalenessOf(call, versions));
  const histogram: Record<string, number> = {};
  for (const age of ages) histogram[age] = (histogram[age] ?? 0) + 1;
  return {
    stalenessMean: ages.reduce((sum, age) => sum + age, 0) / ages.length,
    stalenessMax: ages.reduce((largest, age) => Math.max(largest, age)),
    stalenessHistogram: histogram,
  };
}

function shareOf(count: number, all: number): number {
  return all === 0 ? 0 : count / all;
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

/** To thousandths. */
function round(seconds: number): number {
  return Math.round(seconds * 1_000) / 1_000;
}
