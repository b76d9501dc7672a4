import { activeSpan, type ActiveAgent } from '../active-span.ts';
import type { RolloutScope } from '../rollout-scope.ts';

/** Who makes a model call. */
export interface Caller extends ActiveAgent {
  /** The span that the call belongs under. */
  readonly spanId?: string;
}

/** Answers who is calling, at the moment of the call; undefined when it is not this adapter's framework. */
export type CallerResolver = (scope: RolloutScope) => Caller | undefined;

const key: symbol = Symbol.for('agentlightning.caller-resolvers.v1');
const globals = globalThis as unknown as Record<symbol, Set<CallerResolver> | undefined>;
const resolvers: Set<CallerResolver> = (globals[key] ??= new Set());

/**
 * Adds a way to tell who is calling, for frameworks that know it only at the call; an adapter that can run its agents
 * inside `runInSpan` does not need one. Returns the function that removes it.
 */
export function registerCallerResolver(resolver: CallerResolver): () => void {
  resolvers.add(resolver);
  return () => void resolvers.delete(resolver);
}

/** The agent that the current code belongs to, or undefined in plain code. */
export function resolveCaller(scope: RolloutScope): Caller | undefined {
  const span = activeSpan(scope);
  if (span?.agent !== undefined) return { ...span.agent, spanId: span.spanId };
  for (const resolver of resolvers) {
    const caller = resolver(scope);
    if (caller !== undefined) return span === undefined ? caller : { spanId: span.spanId, ...caller };
  }
  return undefined;
}
