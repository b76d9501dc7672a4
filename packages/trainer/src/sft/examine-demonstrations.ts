import type { Episode, Examination, Rollout } from '@agent-lightning/core';
import { findUnmatchedPatterns } from '@agent-lightning/run';
import { toSamples } from './demonstration-samples.ts';
import { diagnoseSelection } from './diagnose-selection.ts';
import { selectDemonstrations } from './select-demonstrations.ts';
import { taskOf } from './sampled-source.ts';
import { describeLeftOut } from './sft-metrics.ts';
import type { StoredDemonstrations } from './stored-demonstrations.ts';
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

/** Says which stored rollouts would be imitated. */
export function examineStored(
  settings: SftSettings,
  { selection, calls, keptCalls }: StoredDemonstrations,
): Examination {
  const samples = toSamples(selection.kept, settings);
  const leftOut = describeLeftOut(selection.leftOut);
  return {
    ok: selection.kept.length > 0,
    samples: samples.length,
    callsInSamples: samples.reduce((sum, { segments }) => sum + segments.length, 0),
    findings: [
      `${selection.kept.length} stored rollouts would be imitated${leftOut === '' ? '' : `; left out: ${leftOut}`}`,
      `${keptCalls.exact} of their calls train as the tokens that were captured, ${keptCalls.rendered} as their text, encoded; ${calls.leftOut} calls of all that was read cannot be trained on`,
    ],
  };
}
