/** Defines a failure inside a worker. Workers load no other package, so they cannot raise core's errors. */

/** A failure as it is posted to the main thread. */
export interface Failure {
  readonly code: 'backend-failed' | 'numerics';
  readonly message: string;
}

/** An error of the engine's inner code; the engine raises it as a BackendError of the same code. */
export class EngineFault extends Error {
  readonly code: Failure['code'];

  constructor(code: Failure['code'], message: string) {
    super(message);
    this.code = code;
  }
}

/** Returns an error as data; an error that is no EngineFault is a defect, so its stack is kept. */
export function describeFailure(error: unknown): Failure {
  if (error instanceof EngineFault) return { code: error.code, message: error.message };
  return { code: 'backend-failed', message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}
