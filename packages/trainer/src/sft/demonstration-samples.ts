import { buildDemonstrations, type BatchSample, type Episode } from '@agent-lightning/core';
import type { SftSettings } from './sft-options.ts';

/** Makes weighted training samples of the rollouts that are imitated. */
export function toSamples(
  kept: readonly Episode[],
  { samples, tokenWeighting, kindOf }: Pick<SftSettings, 'samples' | 'tokenWeighting' | 'kindOf'>,
): readonly BatchSample[] {
  return buildDemonstrations(kept, {
    samples,
    tokenWeighting,
    ...(kindOf === undefined ? {} : { kindOf: ({ rollout }) => kindOf(rollout.input) }),
  });
}
