/** The two ways in which a file of a model can be unusable. */
import { BackendError } from '@agent-lightning/core';

/** The file is not whole, or contradicts itself. */
export function corrupt(source: string, problem: string, cause?: unknown): BackendError {
  return new BackendError(`${source}: ${problem}.`, { code: 'checkpoint-corrupt', cause });
}

/** The file is right, and says something that this engine would not honour. */
export function unsupported(source: string, problem: string): BackendError {
  return new BackendError(`${source}: ${problem}.`, { code: 'checkpoint-unsupported' });
}
