import type { Algorithm } from '@agent-lightning/core';
import { checkSftBackend } from './check-sft-backend.ts';
import { sftCharts, type SftMetrics } from './sft-metrics.ts';
import { resolveSftOptions, type SftOptions, type SftSettings } from './sft-options.ts';
import { SftRun } from './sft-run.ts';

/** Supervised fine-tuning on good rollouts, as the trainer carries it out. Frozen. */
export interface Sft extends Algorithm<SftMetrics> {
  readonly name: 'sft';
  readonly config: SftSettings & Readonly<Record<string, unknown>>;
}

/**
 * Makes supervised fine-tuning: the policy imitates good rollouts of the agent, by a cross entropy on its replies. By default each task runs
 * several times, and the best rollout of each is imitated (rejection sampling).
 * @throws {ConfigurationError} `option-invalid`
 */
export function sft(options: SftOptions = {}): Sft {
  const settings = resolveSftOptions(options);
  const { tasksPerStep, temperature, maxTokens } = settings;
  return Object.freeze<Sft>({
    name: 'sft',
    config: { ...settings },
    tasksPerStep,
    sampling: Object.freeze({ temperature, ...(maxTokens === undefined ? {} : { maxTokens }) }),
    uses: Object.freeze({ backend: true, divergence: false, samplingAhead: false }),
    charts: sftCharts,
    check: (host) => checkSftBackend(settings, host),
    begin: (host) => SftRun.begin(settings, host),
    rehearse: (host) => SftRun.rehearse(settings, host),
  });
}
