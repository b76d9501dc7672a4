import type { Algorithm } from '@agent-lightning/core';
import { samplerTrainerGap } from '../grpo/ailments/sampler-trainer-gap.ts';
import { wildUpdates } from '../grpo/ailments/wild-updates.ts';
import { checkDistillation } from './check-distillation.ts';
import { distillCharts, type DistillMetrics } from './distill-metrics.ts';
import { describeSettings, resolveDistillOptions, type DistillOptions } from './distill-options.ts';
import { DistillRun } from './distill-run.ts';
import { openTeacher } from './teacher.ts';

/** Describes on-policy distillation, as the trainer carries it out. Frozen. */
export interface Distill extends Algorithm<DistillMetrics> {
  readonly name: 'distill';
  readonly config: Readonly<Record<string, unknown>>;
}

/**
 * Makes on-policy distillation: the policy runs the tasks itself, and a teacher says of each token that it sampled how likely the teacher would have
 * found it. Tokens that the teacher finds likelier than the policy did become likelier. No reward is needed.
 * @throws {ConfigurationError} `option-invalid`
 */
export function distill(options: DistillOptions): Distill {
  const settings = resolveDistillOptions(options);
  const { tasksPerStep, maxTokens } = settings;
  const teacher = openTeacher(settings.teacher);
  return Object.freeze<Distill>({
    name: 'distill',
    config: describeSettings(settings),
    tasksPerStep,
    sampling: Object.freeze({ temperature: 1, ...(maxTokens === undefined ? {} : { maxTokens }) }),
    uses: Object.freeze({ backend: true, samplingAhead: true }),
    charts: distillCharts,
    ailments: [samplerTrainerGap, wildUpdates],
    check: (host) => checkDistillation(settings, teacher, host),
    begin: (host) => DistillRun.begin(settings, teacher, host),
    rehearse: (host) => DistillRun.rehearse(settings, teacher, host),
  });
}
