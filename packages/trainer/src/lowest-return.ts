import type { RunState } from '@agent-lightning/run';
import type { RunContext } from './run-context.ts';

/** Returns the part of the state that keeps the lowest return. */
export function lowestReturnOf({
  failures: { lowestReturn },
}: RunContext<never>['collector']): Pick<RunState, 'lowestReturn'> {
  return lowestReturn === undefined ? {} : { lowestReturn };
}
