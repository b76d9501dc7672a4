import type { BatchSample, Episode, MetricChart } from '@agent-lightning/core';
import { updateCharts } from '../grpo/grpo-charts.ts';
import { summariseSize, toTrainedMetrics, type PolicyMetrics, type TrainedMetrics } from '../grpo/grpo-metrics.ts';
import type { PolicyVersions } from '../grpo/policies/policy-set.ts';
import { countStaleCalls } from '../grpo/step/trainable-calls.ts';
import type { PolicyPasses } from '../grpo/step/train-on-batch.ts';
import type { NoSignal } from '../grpo/step/training-signal.ts';

/** The figures of one of several policies. */
type DistilledPolicyMetrics = Omit<PolicyMetrics, 'transitions'>;

/** The figures that distillation adds to a step's line in `metrics.jsonl`. */
export interface DistillMetrics extends TrainedMetrics {
  readonly epoch: number;
  /** The newest version of all policies. */
  readonly policyVersion: number;
  /** KL(policy ‖ teacher) of the step's rollouts, in nats a token, by k1; absent where nothing was sampled. */
  readonly klTeacher?: number;
  /** Calls that could not be trained on. */
  readonly callsLeftOut: number;
  /** Calls that were too old to be trained on. */
  readonly staleCalls: number;
  readonly samples: number;
  /** Prompt and response tokens of the samples. */
  readonly tokensProcessed: number;
  readonly trainedTokensPerSecond: number;
  /** The figures of each policy by name, where a run has several. The step's own figures are over all of them. */
  readonly policies?: Readonly<Record<string, DistilledPolicyMetrics>>;
  /** The reason why there was nothing to learn from; absent when there was something. */
  readonly noSignal?: string;
}

/** The input of {@link createDistillMetrics}. */
export interface DistillRecord {
  readonly epoch: number;
  readonly episodes: readonly Episode[];
  readonly samples: readonly BatchSample[];
  readonly klTeacher: number | undefined;
  readonly trained: readonly PolicyPasses[];
  /** The versions after the step. */
  readonly policyVersions: PolicyVersions;
  readonly noSignal: NoSignal | undefined;
  readonly trainSeconds: number;
}

/** Returns the figures that distillation adds to a step's line. */
export function createDistillMetrics(record: DistillRecord): DistillMetrics {
  const { episodes, samples, klTeacher, trained, policyVersions, noSignal, trainSeconds } = record;
  const tokensProcessed = samples.reduce((sum, { tokens }) => sum + tokens.length, 0);
  return {
    epoch: record.epoch,
    policyVersion: Math.max(...Object.values(policyVersions)),
    ...(klTeacher === undefined ? {} : { klTeacher }),
    callsLeftOut: episodes.reduce((sum, { untrainable }) => sum + untrainable.length, 0),
    staleCalls: countStaleCalls(episodes),
    samples: samples.length,
    tokensProcessed,
    ...toTrainedMetrics(trained),
    ...(trained.length === 1 ? {} : { policies: toPolicyMetrics(record) }),
    ...(noSignal === undefined ? {} : { noSignal: noSignal.cause }),
    trainedTokensPerSecond: trainSeconds > 0 ? Math.round(tokensProcessed / trainSeconds) : 0,
  };
}

function toPolicyMetrics({
  samples,
  trained,
  policyVersions,
}: DistillRecord): Readonly<Record<string, DistilledPolicyMetrics>> {
  return Object.fromEntries(
    trained.map((each) => [
      each.name,
      {
        policyVersion: policyVersions[each.name] ?? 0,
        samples: samples.filter(({ policy }) => policy === each.name).length,
        ...toTrainedMetrics([each]),
      },
    ]),
  );
}

/** Returns the figures of distillation for the line of progress. */
export function summariseDistillation(metrics: DistillMetrics): readonly string[] {
  const { klTeacher, gradientNorm, entropy, callsLeftOut } = metrics;
  return [
    ...(klTeacher === undefined ? [] : [`KL to the teacher ${klTeacher.toPrecision(2)} nats a token`]),
    ...(callsLeftOut === 0 ? [] : [`${callsLeftOut} calls cannot be trained on`]),
    ...(gradientNorm === undefined ? [] : [`gradient ${gradientNorm.toPrecision(2)}`]),
    ...(entropy === undefined ? [] : [`entropy ${entropy.toFixed(2)}`]),
    ...summariseSize(metrics),
  ];
}

/** A path into the metrics of distillation; a misspelt one does not compile. */
type DistillPath = keyof DistillMetrics | `policies.*.${keyof DistilledPolicyMetrics}`;

/** The charts that distillation adds to the report. */
export const distillCharts: readonly (MetricChart & {
  readonly lines: readonly (readonly [string, DistillPath])[];
})[] = [
  { title: 'KL of the policy to the teacher (nats a token)', lines: [['KL', 'klTeacher']] },
  ...updateCharts,
  { title: 'gradient norm, before clipping', lines: [['gradient norm', 'gradientNorm']] },
  { title: 'entropy of the policy (nats)', lines: [['entropy', 'entropy']] },
  { title: 'KL sampler to trainer (nats)', lines: [['KL', 'klSamplerTrainer']] },
  { title: 'share of tokens clipped', lines: [['clipped', 'clipFraction']] },
  { title: 'learning rate, by policy', lines: [['learning rate', 'policies.*.learningRate']] },
  { title: 'entropy (nats), by policy', lines: [['entropy', 'policies.*.entropy']] },
];
