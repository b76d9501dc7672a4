import type { Finding, RunHistory, StepMetrics } from '@agent-lightning/run';
import type { GrpoMetrics, PolicyMetrics } from '../grpo-metrics.ts';

/** A line of the metrics of a run of GRPO. */
export type GrpoLine = StepMetrics & GrpoMetrics;

/** The figures of one policy in a step. */
export type PolicyLine = Omit<PolicyMetrics, 'policyVersion' | 'transitions' | 'samples'> & { readonly step: number };

/** One policy of a run, with its own figures. */
export interface PolicyHistory {
  /** The name, as a part of a sentence; empty where the run has one policy. */
  readonly owner: string;
  readonly history: RunHistory<PolicyLine>;
}

/** Looks for an ailment in each policy and returns the worst case: the step's own figures would hide a policy with few tokens. */
export function findWorst(
  history: RunHistory<GrpoLine>,
  detect: (policy: PolicyHistory) => Finding | undefined,
): Finding | undefined {
  const findings = splitByPolicy(history).flatMap((policy) => {
    const finding = detect(policy);
    return finding === undefined ? [] : [{ ...finding, cause: policy.owner }];
  });
  return findings.toSorted((a, b) => b.size - a.size)[0];
}

function splitByPolicy(history: RunHistory<GrpoLine>): readonly PolicyHistory[] {
  const names = Object.keys(history.recent.at(-1)?.policies ?? {});
  if (names.length === 0) return [{ owner: '', history }];
  return names.map((name) => {
    const pick = (line: GrpoLine): readonly PolicyLine[] => {
      const own = line.policies?.[name];
      return own === undefined ? [] : [{ ...own, step: line.step }];
    };
    return {
      owner: ` of "${name}"`,
      history: { ...history, first: history.first.flatMap(pick), recent: history.recent.flatMap(pick) },
    };
  });
}
