import {
  describeAgentMatch,
  type BackendCapabilities,
  type Episode,
  type Examination,
  type LightningBatch,
  type Rollout,
  type RoutedPolicy,
} from '@agent-lightning/core';
import { findUnmatchedPatterns } from '@agent-lightning/run';
import { isRouted } from '../policy-options.ts';
import type { GrpoSettings } from './grpo-options.ts';
import { findUnusedPolicies } from './policies/unused-policies.ts';
import { diagnoseSignal } from './step/training-signal.ts';
import { toBatch } from './to-batch.ts';

/** The settings and limits by which a dry run is examined. */
export interface ExaminationOptions {
  readonly settings: GrpoSettings;
  readonly policies: readonly RoutedPolicy[];
  readonly capabilities: Pick<BackendCapabilities, 'maxSampleTokens' | 'hasTemperature'>;
}

/** Says what training would get from the rollouts of a dry run, and what to correct. */
export function examineRollouts(
  { settings, policies, capabilities: { maxSampleTokens, hasTemperature } }: ExaminationOptions,
  rollouts: readonly Rollout[],
  all: readonly Episode[],
): Examination {
  const { episodes, batch } = toBatch(all, settings, {
    maxSampleTokens,
    hasTemperature,
    versions: {},
    maxStaleness: Infinity,
  });
  const unused = [
    ...findUnmatchedPatterns(episodes).map(({ message }) => message),
    ...describeUnused(policies, episodes),
  ];
  return {
    ok: batch.samples.length > 0 && unused.length === 0,
    groupsWithVariance: batch.groupIds.length,
    episodes,
    samples: batch.samples.length,
    callsInSamples: batch.samples.reduce((sum, sample) => sum + sample.segments.length, 0),
    findings: listFindings(rollouts, episodes, batch, unused),
  };
}

function listFindings(
  rollouts: readonly Rollout[],
  episodes: readonly Episode[],
  batch: LightningBatch,
  unused: readonly string[],
): readonly string[] {
  const findings: string[] = [];
  const noSignal = diagnoseSignal(rollouts, episodes, batch);
  if (noSignal !== undefined) findings.push(noSignal.message);
  if (noSignal?.cause !== 'no-calls') findings.push(...unused);
  const silent = episodes.filter((episode) => episode.transitions.length === 0 && episode.untrainable.length === 0);
  // One cause is told once: where no rollout got to its end, calls and rewards are missing for that reason.
  const isTold = noSignal?.cause === 'no-calls' || noSignal?.cause === 'all-failed' || noSignal?.cause === 'outage';
  if (silent.length > 0 && !isTold) findings.push(`${silent.length} rollouts made no model call that trains`);
  if (batch.dropped.missingReward.length > 0 && !isTold && noSignal?.cause !== 'no-reward')
    findings.push(`${batch.dropped.missingReward.length} rollouts have no reward and are left out`);
  for (const episode of episodes)
    for (const problem of episode.problems ?? [])
      findings.push(`rollout ${episode.rollout.rolloutId}: ${problem.reason}`);
  return findings;
}

function describeUnused(policies: readonly RoutedPolicy[], episodes: readonly Episode[]): readonly string[] {
  if (!isRouted(policies)) return [];
  const unused = new Set(
    findUnusedPolicies(
      policies.map(({ name }) => name),
      episodes,
    ),
  );
  return policies
    .filter(({ name }) => unused.has(name))
    .map(
      ({ name, agentMatch }) =>
        `no call that can be trained on reached the policy "${name}" (${describeAgentMatch(agentMatch!)})`,
    );
}
