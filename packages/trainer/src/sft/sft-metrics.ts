import type { BatchSample, Episode, MetricChart } from '@agent-lightning/core';
import type { PolicyVersions } from '../grpo/policies/policy-set.ts';
import type { StepDemonstrations } from './demonstration-source.ts';
import type { Imitation } from './imitate.ts';
import type { LeftOutReason, Selection } from './select-demonstrations.ts';

/** Figures of the optimizer steps of SFT, of one policy or of all. */
export interface ImitationMetrics {
  readonly tokensTrained: number;
  readonly optimizerSteps: number;
  readonly learningRate: number;
  /** Mean −lp of a trained token before each optimizer step, in nats. */
  readonly loss?: number;
  /** Largest of the step's optimizer steps, before clipping. */
  readonly gradientNorm?: number;
}

/** One of several policies in a step of SFT. */
export interface ImitatedPolicyMetrics extends ImitationMetrics {
  /** The version after the step. */
  readonly policyVersion: number;
  readonly samples: number;
}

/** The figures that SFT adds to a step's line in `metrics.jsonl`. */
export interface SftMetrics extends ImitationMetrics {
  readonly epoch: number;
  /** The newest version of all policies. */
  readonly policyVersion: number;
  /** Rollouts that were imitated. */
  readonly rolloutsKept: number;
  /** Rollouts that were not, by reason. */
  readonly rolloutsLeftOut: Readonly<Partial<Record<LeftOutReason, number>>>;
  /** Mean reward of the rollouts that were imitated; absent where none has a reward. */
  readonly keptReward?: number;
  /** Calls whose text was encoded by the policy's own tokenizer and template: of a teacher, or of another model's rollouts. */
  readonly callsRendered: number;
  /** Calls that could not be trained on. */
  readonly callsLeftOut: number;
  readonly samples: number;
  /** Prompt and response tokens of the samples. */
  readonly tokensProcessed: number;
  readonly trainedTokensPerSecond: number;
  /** The figures of each policy by name, where a run has several. The step's own figures are over all of them. */
  readonly policies?: Readonly<Record<string, ImitatedPolicyMetrics>>;
}

/** The input of {@link createSftMetrics}. */
export interface SftRecord {
  readonly epoch: number;
  readonly demonstrations: Pick<StepDemonstrations, 'selection' | 'calls'>;
  readonly samples: readonly BatchSample[];
  readonly trained: readonly Imitation[];
  /** The versions after the step. */
  readonly policyVersions: PolicyVersions;
  readonly trainSeconds: number;
}

/** Returns the figures that SFT adds to a step's line. */
export function createSftMetrics(record: SftRecord): SftMetrics {
  const { demonstrations, samples, trained, policyVersions, trainSeconds } = record;
  const { selection, calls } = demonstrations;
  const tokensProcessed = samples.reduce((sum, { tokens }) => sum + tokens.length, 0);
  const keptReward = meanReward(selection.kept);
  return {
    epoch: record.epoch,
    policyVersion: Math.max(...Object.values(policyVersions)),
    rolloutsKept: selection.kept.length,
    rolloutsLeftOut: selection.leftOut,
    ...(keptReward === undefined ? {} : { keptReward }),
    callsRendered: calls.rendered,
    callsLeftOut: calls.leftOut,
    samples: samples.length,
    tokensProcessed,
    ...toImitationMetrics(trained),
    ...(trained.length === 1
      ? {}
      : {
          policies: Object.fromEntries(
            trained.map((each) => [
              each.name,
              {
                policyVersion: policyVersions[each.name] ?? 0,
                samples: samples.filter(({ policy }) => policy === each.name).length,
                ...toImitationMetrics([each]),
              },
            ]),
          ),
        }),
    trainedTokensPerSecond: trainSeconds > 0 ? Math.round(tokensProcessed / trainSeconds) : 0,
  };
}

function toImitationMetrics(trained: readonly Imitation[]): ImitationMetrics {
  const passes = trained.flatMap((each) => each.passes);
  const tokens = passes.reduce((sum, pass) => sum + pass.tokens, 0);
  const surprise = passes.reduce((sum, pass) => sum + pass.surprise, 0);
  const norms = passes.flatMap(({ gradientNorm }) => gradientNorm ?? []);
  return {
    tokensTrained: tokens,
    optimizerSteps: passes.length,
    learningRate: Math.max(...trained.map(({ learningRate }) => learningRate)),
    ...(tokens === 0 ? {} : { loss: surprise / tokens }),
    ...(norms.length === 0 ? {} : { gradientNorm: Math.max(...norms) }),
  };
}

function meanReward(episodes: readonly Episode[]): number | undefined {
  const rewards = episodes.flatMap(({ reward }) => reward ?? []);
  return rewards.length === 0 ? undefined : rewards.reduce((sum, reward) => sum + reward, 0) / rewards.length;
}

/** The words of the line of progress for rollouts that are not imitated. */
const reasonTexts: Readonly<Record<LeftOutReason, string>> = {
  failed: 'failed',
  noCalls: 'without a call to imitate',
  truncated: 'cut off',
  noReward: 'without a reward',
  belowMinReward: 'below minReward',
  notBetter: 'no better than their task’s mean',
  duplicate: 'said before',
  surplus: 'beyond keep',
};

/** Says which rollouts were left out, and why. */
export function describeLeftOut(leftOut: Selection['leftOut']): string {
  return Object.entries(leftOut)
    .map(([reason, count]) => `${count} ${reasonTexts[reason as LeftOutReason]}`)
    .join(', ');
}

/** Returns SFT's figures for the line of progress. */
export function summariseImitation({
  rolloutsKept,
  rolloutsLeftOut,
  callsLeftOut,
  loss,
  gradientNorm,
}: SftMetrics): readonly string[] {
  const leftOut = describeLeftOut(rolloutsLeftOut);
  return [
    `imitated ${rolloutsKept} rollouts${leftOut === '' ? '' : ` (left out: ${leftOut})`}`,
    ...(callsLeftOut === 0 ? [] : [`${callsLeftOut} calls cannot be trained on`]),
    ...(loss === undefined ? [] : [`loss ${loss.toFixed(3)}`]),
    ...(gradientNorm === undefined ? [] : [`gradient ${gradientNorm.toPrecision(2)}`]),
  ];
}

/** A path into the metrics of SFT; a misspelt one does not compile. */
type SftPath = keyof SftMetrics | 'rolloutsLeftOut.*' | `policies.*.${keyof ImitatedPolicyMetrics}`;

/** The charts that SFT adds to the report. */
export const sftCharts: readonly (MetricChart & { readonly lines: readonly (readonly [string, SftPath])[] })[] = [
  { title: 'loss of the imitated tokens (nats a token)', lines: [['loss', 'loss']] },
  { title: 'rollouts imitated', lines: [['imitated', 'rolloutsKept']] },
  { title: 'rollouts left out, by reason', lines: [['rollouts', 'rolloutsLeftOut.*']] },
  { title: 'mean reward of the imitated rollouts', lines: [['reward', 'keptReward']] },
  { title: 'gradient norm, before clipping', lines: [['gradient norm', 'gradientNorm']] },
  { title: 'learning rate', lines: [['learning rate', 'learningRate']] },
  { title: 'loss (nats a token), by policy', lines: [['loss', 'policies.*.loss']] },
];
