import type { ActiveAgent, ActiveSpan, OpenSpan, RolloutScope } from '@agent-lightning/core';
import type { NodePlace } from './node-names.ts';

/** A LangChain run inside a rollout, from its start event to its end event. */
export interface TracedRun {
  readonly scope: RolloutScope;
  readonly place: NodePlace;
  /** Selects among the agents below; of the innermost wrapped graph that gave one. */
  agent: ActiveAgent;
  /** The run's own span, or that of the nearest ancestor that has one. */
  readonly spanId: string | undefined;
  /** The run's own span; undefined for the runs between nodes and calls, such as sequences and prompts. */
  readonly span: OpenSpan | undefined;
}

// Shared by all copies of this package in the process, so that each run is traced once however many handlers report it.
const key: symbol = Symbol.for('agentlightning.langgraph.runs.v1');
const globals = globalThis as unknown as Record<symbol, Map<string, TracedRun> | undefined>;

/** By LangChain's run id. */
export const tracedRuns: Map<string, TracedRun> = (globals[key] ??= new Map());

const sweepSize = 4_096;

/** Keeps a run until it ends; drops those whose attempt is over when many have gathered: an abandoned stream reports no end. */
export function keepRun(runId: string, run: TracedRun): void {
  if (tracedRuns.size >= sweepSize && tracedRuns.size % sweepSize === 0) {
    for (const [id, { scope }] of tracedRuns) if (scope.recorder.closed) tracedRuns.delete(id);
  }
  tracedRuns.set(runId, run);
}

/** Takes a run out; undefined when it was not traced, or has ended already. */
export function takeRun(runId: string): TracedRun | undefined {
  const run = tracedRuns.get(runId);
  if (run !== undefined) tracedRuns.delete(runId);
  return run;
}

/** The span under which the run's own calls and emitted rewards belong. */
export function activeSpanOf({ scope, spanId, agent }: TracedRun): ActiveSpan | undefined {
  return spanId === undefined ? undefined : { attemptId: scope.attempt.attemptId, spanId, agent };
}
