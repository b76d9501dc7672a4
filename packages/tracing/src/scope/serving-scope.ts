import { randomUUID } from 'node:crypto';
import type { Attempt, Lease, Rollout } from '@agent-lightning/core';
import type { LoadedPrompts } from '../found-prompts/load-prompts.ts';
import type { AgentOptions } from '../selection/agent-options.ts';
import { TraceRecorder } from '../writing/trace-recorder.ts';
import { processWide } from './process-wide.ts';
import type { RolloutScope } from './rollout-scope.ts';

/** Serving scopes whose agent has not come to its end after this time may be forgotten: of an abandoned stream no end is reported. */
const longestServingMs = 3_600_000;

const serving = processWide('agentlightning.serving-scopes.v1', () => new WeakSet<RolloutScope>());

/** Returns the prompts that wrappers, innermost first, serve in production; undefined when they serve none. */
export function findServed(wrappers: readonly AgentOptions[]): LoadedPrompts | undefined {
  const prompts = wrappers.find((wrapper) => wrapper.prompts !== undefined)?.prompts;
  return prompts === undefined || Object.keys(prompts.resources).length === 0 ? undefined : prompts;
}

/**
 * Returns the scope in which an agent runs in production when its wrappers serve prompts: adapters follow it as they do live traffic, so that it is known
 * who calls a model, and nothing that they write is kept. Undefined when no prompts are served.
 */
export function createServingScope(wrappers: readonly AgentOptions[]): RolloutScope | undefined {
  const prompts = findServed(wrappers);
  if (prompts === undefined) return undefined;
  const now = Date.now();
  const rolloutId = randomUUID();
  const lease: Lease = { rolloutId, attemptId: `${rolloutId}-a1`, fencingToken: 1 };
  const scope: RolloutScope = {
    rollout: rolloutOf(rolloutId, now),
    attempt: attemptOf(lease, now),
    lease,
    resources: prompts.resources,
    recorder: new TraceRecorder({ lease, store: { appendSpans: (_, spans) => Promise.resolve(spans.map(() => 0)) } }),
    signal: new AbortController().signal,
    onUntraceable: () => undefined, // the request comes first, and there is no trace
  };
  serving.add(scope);
  return scope;
}

/** Ends a serving scope with the run that began it. */
export function endServing(scope: RolloutScope): void {
  if (serving.has(scope)) void scope.recorder.close();
}

/** Tells whether a run of this scope may be forgotten. */
export function isOver(scope: RolloutScope): boolean {
  if (scope.recorder.closed) return true;
  return serving.has(scope) && Date.now() - scope.attempt.startedAtMs > longestServingMs;
}

function rolloutOf(rolloutId: string, now: number): Rollout {
  return {
    rolloutId,
    input: null,
    mode: 'test',
    status: 'running',
    queue: 'default',
    priority: 0,
    timeouts: {},
    metadata: {},
    attemptCount: 1,
    retry: { maxAttempts: 1, retryOn: [], backoffMs: 0, maxBackoffMs: 0 },
    createdAtMs: now,
    availableAtMs: now,
  };
}

function attemptOf({ rolloutId, attemptId }: Lease, now: number): Attempt {
  return {
    rolloutId,
    attemptId,
    attemptNumber: 1,
    status: 'running',
    workerId: 'serving',
    startedAtMs: now,
    lastProgressAtMs: now,
    leaseExpiresAtMs: Number.MAX_SAFE_INTEGER,
  };
}
