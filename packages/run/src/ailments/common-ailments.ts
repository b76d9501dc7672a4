import type { StepMetrics } from '../metrics.ts';
import { controlLearns } from './control-learns.ts';
import { heldOutFalls } from './held-out-falls.ts';
import { leakedTasks } from './leaked-tasks.ts';
import { lengthGrowth } from './length-growth.ts';
import { noiseRewards } from './noise-rewards.ts';
import type { Ailment } from './run-history.ts';
import { survivorsOnly } from './survivors-only.ts';
import { templateCollapse } from './template-collapse.ts';
import { truncation } from './truncation.ts';

/** The ailments that a run of any algorithm can have, those with the most misleading curves first. */
export const commonAilments: readonly Ailment<StepMetrics>[] = [
  leakedTasks,
  survivorsOnly,
  heldOutFalls,
  controlLearns,
  noiseRewards,
  templateCollapse,
  lengthGrowth,
  truncation,
];
