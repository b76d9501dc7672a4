/** A failure inside a worker; the engine raises it as a BackendError of the same code. Workers load no other package. */
export class EngineFault extends Error {
  readonly code: 'backend-failed' | 'numerics';

  constructor(code: EngineFault['code'], message: string) {
    super(message);
    this.code = code;
  }
}
