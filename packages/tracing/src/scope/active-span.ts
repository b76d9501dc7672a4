import { AsyncLocalStorage } from 'node:async_hooks';
import type { AgentOptions } from '../selection/agent-options.ts';
import { processWide } from './process-wide.ts';
import type { RolloutScope } from './rollout-scope.ts';

/** The span that the current code runs in, and which agent that code belongs to. */
export interface ActiveSpan {
  readonly attemptId: string;
  readonly spanId: string;
  /** The agent whose code this is; absent in plain code, such as a rollout function. */
  readonly agent?: ActiveAgent;
}

/** An agent, as an adapter tells it. */
export interface ActiveAgent {
  /** Every name that `agentMatch` is tested against, most specific first. */
  readonly names: readonly string[];
  /** The options of the wrappers around the agent, innermost first; empty for an agent that nobody wrapped, which keeps its model. */
  readonly wrappers: readonly AgentOptions[];
}

const storage = processWide('agentlightning.active-span.v2', () => new AsyncLocalStorage<ActiveSpan>());

/** Answers which span a framework says the code runs in; `around` is the one that `runInSpan` had set when that span began. */
export type SpanFinder = (
  scope: RolloutScope,
) => { readonly span: ActiveSpan; readonly around: ActiveSpan | undefined } | undefined;

const finders = processWide('agentlightning.span-finders.v2', () => new Set<SpanFinder>());

/** Adds a framework that keeps the current span itself, whose code cannot be run by `runInSpan`. Returns what removes it. */
export function registerSpanFinder(finder: SpanFinder): () => void {
  finders.add(finder);
  return () => void finders.delete(finder);
}

/** Returns the span that the current code runs in, when it belongs to the attempt of `scope`: a rollout inside a rollout starts afresh. */
export function activeSpan(scope: RolloutScope): ActiveSpan | undefined {
  const set = enclosingSpan();
  for (const find of finders) {
    const found = find(scope);
    // The framework's is the inner one, unless `runInSpan` was entered since it began.
    if (found !== undefined && found.around === set) return found.span;
  }
  return set?.attemptId === scope.attempt.attemptId ? set : undefined;
}

/** Returns the span of the innermost `runInSpan`, of whatever attempt. */
export function enclosingSpan(): ActiveSpan | undefined {
  return storage.getStore();
}

/** Runs `work` and everything that it awaits inside `span`: emitters, operations and model calls become its children. */
export function runInSpan<Result>(span: ActiveSpan, work: () => Result): Result {
  return storage.run(span, work);
}
