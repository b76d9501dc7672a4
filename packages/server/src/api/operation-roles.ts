import type { OperationName } from '@agent-lightning/store';
import type { Role } from '../keys/caller.ts';

const trains: readonly Role[] = ['trainer'];
const runs: readonly Role[] = ['trainer', 'runner'];
const reads: readonly Role[] = ['trainer', 'runner', 'reader'];
const nobody: readonly Role[] = [];

/** Says for each operation which roles may ask for it; `admin` may ask for all. */
export const operationRoles: Readonly<Record<OperationName, readonly Role[]>> = {
  enqueue: trains,
  getRollout: reads,
  queryRollouts: reads,
  cancel: trains,
  claim: runs,
  waitForWork: runs,
  heartbeat: runs,
  complete: runs,
  fail: runs,
  queryAttempts: reads,
  // It is the right to write to any attempt.
  getLease: nobody,
  // An agent may write to the attempt of its key alone: `checkAgent`.
  appendSpans: ['trainer', 'runner', 'agent'],
  querySpans: reads,
  addReward: runs,
  putResources: trains,
  getResources: reads,
  latestResources: reads,
  queryWorkers: reads,
  waitFor: reads,
  runWatchdog: nobody,
  statistics: reads,
  deleteRun: trains,
  readLastCursor: reads,
  nextEvents: reads,
  takeWatchdogTurn: nobody,
  // It deletes rollouts of every run.
  deleteEnded: nobody,
  checkIntegrity: nobody,
};
