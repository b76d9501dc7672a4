import type { SignalStreaks } from '../grpo/grpo-state.ts';
import type { PolicyVersions } from '../grpo/policies/policy-set.ts';

/** The state that a run of SFT keeps beside the weights. What each step takes follows from the seed and the step. */
export interface SftState extends SignalStreaks {
  readonly format: 1;
  readonly policyVersions: PolicyVersions;
  /** Names the stored rollouts that are imitated; only with `from`. */
  readonly stored?: string;
}

/** Returns the state of a run that has learned nothing. */
export function initialSftState(policies: readonly string[]): SftState {
  return {
    format: 1,
    step: 0,
    policyVersions: Object.fromEntries(policies.map((name) => [name, 0])),
    optimizerSteps: 0,
    noSignalStreak: 0,
    outageStreak: 0,
    firstReward: undefined,
    lastReward: undefined,
  };
}
