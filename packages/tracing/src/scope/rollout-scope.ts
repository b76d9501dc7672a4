import { AsyncLocalStorage } from 'node:async_hooks';
import {
  TraceError,
  type LightningError,
  type LlmEndpoint,
  type NamedResources,
  type Attempt,
  type Lease,
  type Rollout,
} from '@agent-lightning/core';
import { processWide } from './process-wide.ts';
import type { TraceRecorder } from '../writing/trace-recorder.ts';

/** Holds everything that belongs to the attempt which the current code runs in. */
export interface RolloutScope {
  readonly rollout: Rollout;
  readonly attempt: Attempt;
  readonly lease: Lease;
  /** The endpoint to which trained model calls go; absent when the run has no policy (plain tracing). */
  readonly llm?: LlmEndpoint;
  /** The endpoint that hands calls on to the agent's own model, for agents in other processes; absent where they ask their model themselves. */
  readonly ownEndpoint?: LlmEndpoint;
  /** Lets the endpoint answer to further names of models during this attempt; absent where its gateway cannot. */
  readonly answerTo?: (names: readonly (string | RegExp)[]) => Promise<void> | void;
  readonly resources: NamedResources;
  readonly recorder: TraceRecorder;
  /** Aborts when the attempt times out or is cancelled. */
  readonly signal: AbortSignal;
  /** Counts what cannot be traced, of live traffic, which must go on; absent in training, which refuses it. Never throws. */
  readonly onUntraceable?: (reason: string, error: LightningError) => void;
}

const storage = processWide('agentlightning.rollout-scope.v1', () => new AsyncLocalStorage<RolloutScope>());

/** Returns the rollout that the current code runs in, or undefined outside one. */
export function currentRollout(): RolloutScope | undefined {
  return storage.getStore();
}

/** Returns the rollout that the current code runs in. @throws {TraceError} `no-rollout` outside one */
export function requireRollout(caller: string): RolloutScope {
  const scope = storage.getStore();
  if (scope === undefined) {
    throw new TraceError(
      `${caller} was called outside a rollout; call it inside the function that the Trainer or Runner runs`,
      { code: 'no-rollout' },
    );
  }
  return scope;
}

/** Holds the rollouts that each rollout was begun in, such as that of an agent which trains another one. */
const outer = processWide('agentlightning.outer-rollouts.v1', () => new WeakMap<RolloutScope, Set<RolloutScope>>());

/** Runs `work` and everything that it awaits inside `scope`. */
export function runInRollout<Result>(scope: RolloutScope, work: () => Result): Result {
  const around = storage.getStore();
  if (around !== undefined && around !== scope) outer.set(scope, (outer.get(scope) ?? new Set()).add(around));
  return storage.run(scope, work);
}

/** Runs `work` inside a rollout that has begun, whatever rollout the code has come to since. */
export function returnToRollout<Result>(scope: RolloutScope, work: () => Result): Result {
  return storage.run(scope, work);
}

/** Tells whether a rollout was begun, at some depth, in another one. */
export function isInsideRollout(scope: RolloutScope, other: RolloutScope): boolean {
  const around = new Set(outer.get(scope));
  // What is added while the set is walked is walked, too.
  for (const each of around) for (const further of outer.get(each) ?? []) around.add(further);
  return around.has(other);
}
