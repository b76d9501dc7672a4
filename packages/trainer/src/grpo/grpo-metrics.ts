import type { Episode, LightningBatch, Transition } from '@agent-lightning/core';
import type { ExtensionReason } from './plan/extend-groups.ts';
import type { PolicyVersions } from './policies/policy-set.ts';
import type { SplitCalls } from './step/split-calls.ts';
import { countStaleCalls, stalenessOf } from './step/trainable-calls.ts';
import type { PolicyPasses } from './step/train-on-batch.ts';
import { summarisePasses } from './step/train-outcome.ts';
import type { NoSignal } from './step/training-signal.ts';

/** Measures of how far the policy that trains is from the one that sampled, over the tokens of a step. */
export interface OffPolicyMetrics {
  /** Mean of r = exp(lp − q). */
  readonly ratioMean: number;
  readonly ratioMax: number;
  /** Share of the tokens that the loss clips: for `ppo` those without gradient. */
  readonly clipFraction: number;
  /** The effective sample size as a share of the tokens, (Σ r)² / (n · Σ r²). */
  readonly effectiveSampleShare: number;
  /** KL(sampler ‖ trainer) in nats, by k3, before the step's first update. */
  readonly klSamplerTrainer: number;
  /** KL(sampler ‖ trainer) in nats by k1, which may be negative. */
  readonly klSamplerTrainerK1: number;
}

/** Figures of optimizer steps, of one policy or of all. */
export interface TrainedMetrics extends Partial<OffPolicyMetrics> {
  readonly tokensTrained: number;
  readonly optimizerSteps: number;
  /** The rate of the newest optimizer step. */
  readonly learningRate: number;
  /** The times that the batch was passed over. */
  readonly passes: number;
  /** How far the update moved the policy, D, in nats a call; where the learning rate is 'auto'. */
  readonly movement?: number;
  /** How far it was to move, T, in nats a call. */
  readonly movementTarget?: number;
  /** ρ: the gain of a step on half of the groups for the other half, over that for its own; running mean. Near 0, rewards are noise to the policy. */
  readonly signalRatio?: number;
  /** Mean over the step's minibatches. */
  readonly loss?: number;
  /** The critic's loss, mean over the step's minibatches; with the estimator `gae` only. */
  readonly valueLoss?: number;
  /** Nats. */
  readonly entropy?: number;
  /** Largest of the step's optimizer steps, before clipping. */
  readonly gradientNorm?: number;
  /** KL(policy ‖ base model) in nats, by k1; with a KL coefficient only. */
  readonly klBase?: number;
}

/** The age of the calls of a step when they trained, in versions. */
export interface StalenessMetrics {
  /** Versions between sampling and training: mean and largest over the transitions. */
  readonly stalenessMean?: number;
  readonly stalenessMax?: number;
  /** Transitions by how many versions old they were. */
  readonly stalenessHistogram?: Readonly<Record<string, number>>;
}

/** One of several policies in a step. */
export interface PolicyMetrics extends TrainedMetrics, StalenessMetrics {
  /** The version after the step. */
  readonly policyVersion: number;
  readonly transitions: number;
  readonly samples: number;
}

/** The figures that GRPO adds to a step's line in `metrics.jsonl`. */
export interface GrpoMetrics extends TrainedMetrics, StalenessMetrics {
  readonly epoch: number;
  /** The newest version of all policies. */
  readonly policyVersion: number;
  readonly groupsUsed: number;
  readonly groupsZeroVariance: number;
  readonly groupsSingleton: number;
  /** Groups, of those used, whose rollouts all earned the same: only intermediate rewards or a discount tell them apart. */
  readonly groupsShapingOnly: number;
  /**
   * Rollouts that the step took more than planned, by reason: in groups that had `lost` members, in groups whose members all `failed`, and
   * for further tasks in place of `flat` groups. Reasons without a rollout are absent.
   */
  readonly rolloutsAdded: Readonly<Record<string, number>>;
  /** The share of the step's groups that has no variance. */
  readonly zeroVarianceShare: number;
  readonly samples: number;
  /** Prompt and response tokens of the samples, all of which went through the model to train. */
  readonly tokensProcessed: number;
  readonly trainedTokensPerSecond: number;
  /** Calls that continue an earlier call and train in a sample of their own all the same; absent where each call has its own sample. */
  readonly splitCalls?: SplitCalls;
  /**
   * The share of the variance of what tokens earned that the critic knew before the step: 1 for all of it, 0 or less for none; with the
   * estimator `gae` only.
   */
  readonly explainedVariance?: number;
  /** Calls that were too old to be trained on. */
  readonly staleCalls: number;
  /** The figures of each policy by name, where a run has several. The step's own figures are over all of them. */
  readonly policies?: Readonly<Record<string, PolicyMetrics>>;
  /** The reason why there was nothing to learn from; absent when there was something. */
  readonly noSignal?: string;
}

/** The input of {@link createGrpoMetrics}. */
export interface GrpoRecord {
  readonly epoch: number;
  readonly episodes: readonly Episode[];
  readonly batch: LightningBatch;
  /** Undefined where each call has a sample of its own. */
  readonly splitCalls: SplitCalls | undefined;
  /** Of the critic, where there is one. */
  readonly explainedVariance?: number | undefined;
  /** The passes of each policy. */
  readonly trained: readonly PolicyPasses[];
  /** The versions that were trained. */
  readonly trainedVersions: PolicyVersions;
  /** The versions after the step. */
  readonly policyVersions: PolicyVersions;
  readonly noSignal: NoSignal | undefined;
  readonly trainSeconds: number;
}

/** Returns the figures that GRPO adds to a step's line. */
export function createGrpoMetrics(record: GrpoRecord): GrpoMetrics {
  const { episodes, batch, trained, trainSeconds } = record;
  const transitions = episodes.flatMap((episode) => episode.transitions);
  const tokensProcessed = batch.samples.reduce((sum, sample) => sum + sample.tokens.length, 0);
  const { zeroVarianceGroups, singletonGroups } = batch.dropped;
  const groups = batch.groupIds.length + zeroVarianceGroups.length + singletonGroups.length;
  return {
    epoch: record.epoch,
    policyVersion: Math.max(...Object.values(record.policyVersions)),
    groupsUsed: batch.groupIds.length,
    groupsZeroVariance: zeroVarianceGroups.length,
    groupsSingleton: singletonGroups.length,
    groupsShapingOnly: batch.shapingOnlyGroups.length,
    rolloutsAdded: countAdded(episodes),
    zeroVarianceShare: groups === 0 ? 0 : zeroVarianceGroups.length / groups,
    staleCalls: countStaleCalls(episodes),
    samples: batch.samples.length,
    tokensProcessed,
    ...(record.splitCalls === undefined ? {} : { splitCalls: record.splitCalls }),
    ...toTrainedMetrics(trained),
    ...(record.explainedVariance === undefined ? {} : { explainedVariance: record.explainedVariance }),
    ...toStalenessMetrics(transitions, record.trainedVersions),
    ...(trained.length === 1 ? {} : { policies: toPolicyMetrics(record, transitions) }),
    ...(record.noSignal === undefined ? {} : { noSignal: record.noSignal.cause }),
    trainedTokensPerSecond: trainSeconds > 0 ? Math.round(tokensProcessed / trainSeconds) : 0,
  };
}

function countAdded(episodes: readonly Episode[]): Readonly<Record<string, number>> {
  const reasons = episodes.flatMap(({ rollout }) => (rollout.metadata['more'] as string | undefined) ?? []);
  return Object.fromEntries([...Map.groupBy(reasons, (reason) => reason)].map(([reason, own]) => [reason, own.length]));
}

/** Returns the figures of each policy, by name. */
function toPolicyMetrics(
  { trained, batch, trainedVersions, policyVersions }: GrpoRecord,
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
          samples: batch.samples.filter((sample) => sample.policy === each.name).length,
          ...toTrainedMetrics([each]),
          ...toStalenessMetrics(own, trainedVersions),
        },
      ];
    }),
  );
}

/** Returns the figures of optimizer steps. */
export function toTrainedMetrics(trained: readonly PolicyPasses[]): TrainedMetrics {
  const { offPolicy, ...outcome } = summarisePasses(trained);
  return { ...outcome, ...offPolicy };
}

function toStalenessMetrics(transitions: readonly Transition[], versions: PolicyVersions): StalenessMetrics {
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

/** Says, behind a number of rollouts, why a step took them in addition. */
const additions: Readonly<Record<ExtensionReason, string>> = {
  lost: 'for lost ones',
  failed: 'where a whole group earned the least',
  flat: 'for groups of equal rewards',
};

/** Returns GRPO's figures for the line of progress. */
export function summariseStep(metrics: GrpoMetrics): readonly string[] {
  const { groupsUsed, groupsZeroVariance, groupsSingleton, groupsShapingOnly } = metrics;
  const { gradientNorm, entropy, explainedVariance, stalenessMax = 0 } = metrics;
  return [
    `groups ${groupsUsed} of ${groupsUsed + groupsZeroVariance + groupsSingleton}`,
    ...(groupsShapingOnly === 0 ? [] : [`${groupsShapingOnly} by shaping alone`]),
    ...Object.entries(metrics.rolloutsAdded).map(
      ([reason, count]) => `+${count} rollouts ${additions[reason as ExtensionReason]}`,
    ),
    ...(gradientNorm === undefined ? [] : [`gradient ${gradientNorm.toPrecision(2)}`]),
    ...(entropy === undefined ? [] : [`entropy ${entropy.toFixed(2)}`]),
    ...summariseSize(metrics),
    ...(explainedVariance === undefined ? [] : [`critic explains ${explainedVariance.toFixed(2)}`]),
    ...(stalenessMax === 0
      ? []
      : [
          `${metrics.stalenessMean!.toFixed(1)} versions late`,
          `KL ${metrics.klSamplerTrainer?.toPrecision(2) ?? 'unknown'}`,
        ]),
  ];
}

/** Returns the size of an update for the line of progress; nothing where the learning rate is fixed. */
export function summariseSize({
  movement,
  movementTarget,
  passes,
  learningRate,
  signalRatio,
}: TrainedMetrics): readonly string[] {
  if (movement === undefined) return [];
  return [
    `moved ${movement.toPrecision(2)} of ${movementTarget!.toPrecision(2)} nats in ${passes} ${passes === 1 ? 'pass' : 'passes'} at ${learningRate.toPrecision(2)}`,
    ...(signalRatio === undefined ? [] : [`signal ${signalRatio.toFixed(2)}`]),
  ];
}
