import type { Lease } from '@agent-lightning/core';

/**
 * Says what a key is for. `admin` may do everything, `trainer` enqueues, reads and publishes, `runner` claims and writes attempts,
 * `agent` writes to the one attempt that its key is for, `reader` reads.
 */
export type Role = 'admin' | 'trainer' | 'runner' | 'agent' | 'reader';

export const roles: readonly Role[] = ['admin', 'trainer', 'runner', 'agent', 'reader'];

/** The holder of the key that a request came with. */
export interface Caller {
  readonly role: Role;
  /** Names the key in the log without revealing it. */
  readonly keyId: string;
  /** The attempt that an agent's key is for. */
  readonly lease?: Lease;
}
