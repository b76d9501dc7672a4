import type { Algorithm } from '@agent-lightning/core';
import { grpoAilments } from './ailments/grpo-ailments.ts';
import { checkBackend } from './check-backend.ts';
import { grpoCharts } from './grpo-charts.ts';
import type { GrpoMetrics } from './grpo-metrics.ts';
import { resolveGrpoOptions, type GrpoOptions, type GrpoSettings } from './grpo-options.ts';
import { GrpoRun } from './grpo-run.ts';

/** Group-relative policy optimization, as the trainer carries it out. Frozen. */
export interface Grpo extends Algorithm<GrpoMetrics> {
  readonly name: 'grpo';
  readonly config: GrpoSettings & Readonly<Record<string, unknown>>;
}

/**
 * Makes group-relative policy optimization or one of its kin: each task runs `groupSize` times, and responses of rollouts that were
 * better than their group become likelier.
 * @throws {ConfigurationError} `option-invalid`
 */
export function grpo(options: GrpoOptions = {}): Grpo {
  const settings = resolveGrpoOptions(options);
  const { tasksPerStep, temperature, maxTokens } = settings;
  return Object.freeze<Grpo>({
    name: 'grpo',
    config: { ...settings },
    tasksPerStep,
    sampling: Object.freeze({ temperature, ...(maxTokens === undefined ? {} : { maxTokens }) }),
    uses: Object.freeze({ backend: true, samplingAhead: true }),
    charts: grpoCharts,
    ailments: grpoAilments,
    check: (host) => checkBackend(settings, host),
    begin: (host) => GrpoRun.begin(settings, host),
    rehearse: (host) => GrpoRun.rehearse(settings, host),
  });
}
