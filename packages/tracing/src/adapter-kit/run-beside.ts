import { activeSpan, runInSpan } from '../scope/active-span.ts';
import { currentRollout } from '../scope/rollout-scope.ts';
import { namingWrappers } from '../selection/select-agent.ts';

/**
 * Runs code beside the own work of the agent that it is in: its model calls keep their model, unless an `agentMatch` matches `names`. What it
 * emits stays in the agent's span.
 */
export function runBeside<Result>(names: readonly string[], work: () => Result): Result {
  const scope = currentRollout();
  const span = scope && activeSpan(scope);
  if (span?.agent === undefined) return work();
  return runInSpan({ ...span, agent: { names, wrappers: namingWrappers(span.agent.wrappers) } }, work);
}
