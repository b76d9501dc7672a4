import type { MetricChart } from '@agent-lightning/core';
import type { GrpoMetrics, PolicyMetrics, TrainedMetrics } from './grpo-metrics.ts';

/** A path into the metrics of GRPO; a misspelt one does not compile. */
type GrpoPath = keyof GrpoMetrics | 'rolloutsAdded.*' | `policies.*.${keyof PolicyMetrics}`;

/** A chart of paths that there are. */
interface ChartOf<Path extends string> extends MetricChart {
  readonly lines: readonly (readonly [name: string, path: Path])[];
}

/** The charts of how large updates are. */
export const updateCharts: readonly ChartOf<keyof TrainedMetrics>[] = [
  {
    title: 'movement of the policy by an update (nats a call)',
    lines: [
      ['moved', 'movement'],
      ['target', 'movementTarget'],
    ],
  },
  { title: 'passes over the batch', lines: [['passes', 'passes']] },
  { title: 'learning rate', lines: [['learning rate', 'learningRate']] },
  { title: 'signal ratio (gain for unseen groups over that for seen ones)', lines: [['ratio', 'signalRatio']] },
];

/** The charts that GRPO adds to the report. */
export const grpoCharts: readonly ChartOf<GrpoPath>[] = [
  {
    title: 'groups: used, and without variance',
    lines: [
      ['used', 'groupsUsed'],
      ['without variance', 'groupsZeroVariance'],
    ],
  },
  { title: 'rollouts added, by reason', lines: [['rollouts', 'rolloutsAdded.*']] },
  ...updateCharts,
  { title: 'loss', lines: [['loss', 'loss']] },
  { title: 'share of what was earned that the critic explains', lines: [['explained', 'explainedVariance']] },
  { title: "critic's loss", lines: [["critic's loss", 'valueLoss']] },
  { title: 'gradient norm, before clipping', lines: [['gradient norm', 'gradientNorm']] },
  { title: 'entropy of the policy (nats)', lines: [['entropy', 'entropy']] },
  { title: 'KL sampler to trainer (nats)', lines: [['KL', 'klSamplerTrainer']] },
  { title: 'effective sample size, share of tokens', lines: [['share', 'effectiveSampleShare']] },
  {
    title: 'versions between sampling and training',
    lines: [
      ['mean', 'stalenessMean'],
      ['largest', 'stalenessMax'],
    ],
  },
  { title: 'share of tokens clipped', lines: [['clipped', 'clipFraction']] },
  { title: 'KL to the base model (nats)', lines: [['KL', 'klBase']] },
  { title: 'calls, by policy', lines: [['calls', 'policies.*.transitions']] },
  { title: 'gradient norm, by policy', lines: [['gradient norm', 'policies.*.gradientNorm']] },
  { title: 'movement by an update (nats a call), by policy', lines: [['moved', 'policies.*.movement']] },
  { title: 'learning rate, by policy', lines: [['learning rate', 'policies.*.learningRate']] },
  { title: 'entropy (nats), by policy', lines: [['entropy', 'policies.*.entropy']] },
  { title: 'KL sampler to trainer (nats), by policy', lines: [['KL', 'policies.*.klSamplerTrainer']] },
];
