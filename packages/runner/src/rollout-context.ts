import { TraceError } from '@agent-lightning/core';
import { anthropicBaseUrl, type RolloutScope } from '@agent-lightning/tracing';
import type { RolloutContext, RolloutEndpoint } from './rollout-function.ts';

/** Returns what a rollout function is given beside its task. */
export function createContext(scope: RolloutScope): RolloutContext {
  return {
    rollout: scope.rollout,
    attempt: scope.attempt,
    mode: scope.rollout.mode,
    resources: scope.resources,
    signal: scope.signal,
    get llm(): RolloutEndpoint {
      if (scope.llm !== undefined) return { ...scope.llm, anthropicBaseUrl: anthropicBaseUrl(scope.llm) };
      throw new TraceError(
        'context.llm was read, and this run has no policy; let the agent ask its own model, or give the Runner a gateway',
        {
          code: 'no-rollout',
        },
      );
    },
  };
}
