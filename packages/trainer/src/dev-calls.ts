import type { AgentMatch, Episode } from '@agent-lightning/core';
import { CallTable, describeOutsideCalls } from '@agent-lightning/run';

/** The model calls of a dry run, and whether one went where it should not. */
export interface CallExamination {
  readonly table: CallTable;
  /** False when a call of a selected agent went past the policy, and is not allowed to. */
  readonly ok: boolean;
  /** Says where such calls went, and what to do. */
  readonly findings: readonly string[];
}

/**
 * Examines where the model calls of a dry run went: a call of an agent that `agentMatch` selects belongs to the policy.
 * @param allowed the agents whose calls may go elsewhere
 */
export function examineCalls(episodes: readonly Episode[], allowed: AgentMatch | undefined): CallExamination {
  const table = new CallTable();
  table.add(episodes);
  const stray = table.findStray(allowed);
  const unexpected = episodes.map((episode) => ({
    ...episode,
    untrainable: episode.untrainable.filter(({ agentName }) => stray.includes(agentName)),
  }));
  const findings = describeOutsideCalls(unexpected).map(
    (finding) => `${finding}; or allow it by dev({ allowOutside })`,
  );
  return { table, ok: stray.length === 0, findings };
}
