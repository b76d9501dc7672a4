/** Turns the errors of the shared memory into the contract's. */
import { BackendError } from '@agent-lightning/core';
import { EngineFault } from '../kernels/engine-fault.ts';

/** Runs `work`, and throws a BackendError `backend-failed` when the shared memory is full or cannot be reserved. */
export function withMemoryErrors<Result>(work: () => Result): Result {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof EngineFault || cause instanceof RangeError)
      throw new BackendError(cause.message, { code: 'backend-failed', cause });
    throw cause;
  }
}
