/** Ends work of this thread that takes too long: a regular expression of a foreign file can backtrack for years. */
import { createContext, Script } from 'node:vm';

const context: { work?: () => unknown } = {};
const run: Script = new Script('work()');
let isReady = false;

/**
 * Returns what `work` returns, or what `onLate` does when it was ended.
 *
 * @param limitMs the time after which it is ended, wherever it is
 */
export function runWithin<Result>(limitMs: number, work: () => Result, onLate: () => Result): Result {
  if (!isReady) createContext(context);
  isReady = true;
  context.work = work;
  try {
    return run.runInContext(context, { timeout: Math.ceil(limitMs) }) as Result;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return onLate();
    throw error;
  } finally {
    delete context.work;
  }
}
