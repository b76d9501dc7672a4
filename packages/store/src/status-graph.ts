import type { AttemptStatus, RolloutStatus } from './contract-types.ts';

/** The statuses that each rollout status may be followed by; a final status has none. */
export const rolloutTransitions: Readonly<Record<RolloutStatus, readonly RolloutStatus[]>> = {
  queuing: ['preparing', 'cancelled', 'failed'],
  preparing: ['running', 'requeuing', 'succeeded', 'failed', 'cancelled'],
  running: ['requeuing', 'succeeded', 'failed', 'cancelled'],
  requeuing: ['preparing', 'failed', 'cancelled'],
  succeeded: [],
  failed: [],
  cancelled: [],
};

/** The statuses that each attempt status may be followed by; a final status has none. */
export const attemptTransitions: Readonly<Record<AttemptStatus, readonly AttemptStatus[]>> = {
  preparing: ['running', 'succeeded', 'failed', 'timeout', 'unresponsive', 'cancelled'],
  running: ['succeeded', 'failed', 'timeout', 'unresponsive', 'cancelled'],
  succeeded: [],
  failed: [],
  timeout: [],
  unresponsive: [],
  cancelled: [],
};

/** Tells whether nothing follows a rollout's status. */
export function isFinalRolloutStatus(status: RolloutStatus): boolean {
  return rolloutTransitions[status].length === 0;
}

/** Tells whether nothing follows an attempt's status. */
export function isFinalAttemptStatus(status: AttemptStatus): boolean {
  return attemptTransitions[status].length === 0;
}
