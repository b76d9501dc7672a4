import type { Ailment } from '@agent-lightning/run';
import { deadUpdates } from './dead-updates.ts';
import type { GrpoLine } from './each-policy.ts';
import { entropyCollapse } from './entropy-collapse.ts';
import { flatGroups } from './flat-groups.ts';
import { samplerTrainerGap } from './sampler-trainer-gap.ts';
import { splitSamples } from './split-samples.ts';
import { wildUpdates } from './wild-updates.ts';

/** The ailments that only the figures of GRPO show. */
export const grpoAilments: readonly Ailment<GrpoLine>[] = [
  samplerTrainerGap,
  wildUpdates,
  entropyCollapse,
  deadUpdates,
  flatGroups,
  splitSamples,
];
