import type { Episode, Examination, Rollout } from '@agent-lightning/core';
import { findUnmatchedPatterns } from '@agent-lightning/run';
import { taskOf, toSamples } from './demonstration-samples.ts';
import { diagnoseSelection } from './diagnose-selection.ts';
import { selectDemonstrations } from './select-demonstrations.ts';
import { describeLeftOut } from './sft-metrics.ts';
import type { SftSettings } from './sft-options.ts';

/** Says which rollouts of a dry run would be imitated, and what to correct. */
export function examineDemonstrations(
  settings: SftSettings,
  rollouts: readonly Rollout[],
  episodes: readonly Episode[],
): Examination {
  const selection = selectDemonstrations(episodes, settings, taskOf);
  const samples = toSamples(selection.kept, settings);
  const unmatched = findUnmatchedPatterns(episodes).map(({ message }) => message);
  const noSignal = diagnoseSelection(rollouts, episodes, selection);
  const leftOut = describeLeftOut(selection.leftOut);
  return {
    ok: noSignal === undefined && unmatched.length === 0,
    episodes,
    samples: samples.length,
    callsInSamples: samples.reduce((sum, { segments }) => sum + segments.length, 0),
    findings: [
      ...(noSignal === undefined ? [] : [noSignal.message]),
      ...(noSignal?.cause === 'no-calls' ? [] : unmatched),
      ...(noSignal === undefined && leftOut !== '' ? [`left out: ${leftOut}`] : []),
    ],
  };
}
