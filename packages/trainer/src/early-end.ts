import { LightningError } from '@agent-lightning/core';
import type { RunContext } from './run-context.ts';

/**
 * Returns the reason of a run that ended because the user interrupted it or a limit was reached, or the error by which its meter ended it; undefined
 * where `error` is another one.
 */
export function findEarlyEnd(
  error: unknown,
  { interrupted, meter }: Pick<RunContext<never>, 'interrupted' | 'meter'>,
): 'interrupted' | 'limit-reached' | Error | undefined {
  const { aborted, reason } = meter.reached;
  const isOfMeter = aborted && error === reason;
  if (!isOfMeter && !(LightningError.isInstance(error) && error.code === 'cancelled')) return undefined;
  if (interrupted.aborted && !isOfMeter) return 'interrupted';
  if (!aborted) return undefined;
  return LightningError.isInstance(reason) && reason.code === 'limit-reached' ? 'limit-reached' : (reason as Error);
}
