/** The numbers of rollouts that decide what a step can cost. */
export interface StepSizes {
  /** Tasks of a minibatch. */
  readonly minibatch: number;
  /** Selection tasks. */
  readonly selection: number;
  /** Selection tasks that the prompts as they are run twice, so that the noise of the rewards is known. */
  readonly repeats: number;
  /** Proposals of a step. */
  readonly proposals: number;
}

/** Returns the most rollouts that a proposal takes without noise: its parent and itself on the minibatch, and itself on the selection tasks. */
export function costOfProposal({ minibatch, selection }: Omit<StepSizes, 'repeats'>): number {
  return 2 * minibatch + selection;
}

/**
 * Returns how many proposals a step may make so that the budget is not passed whatever comes of them; 0 when the budget is spent.
 * @param remaining rollouts that are left; Infinity without a budget
 */
export function affordProposals(remaining: number, sizes: StepSizes): number {
  return Math.max(0, Math.min(sizes.proposals, Math.floor(remaining / costOfProposal(sizes))));
}

/** Returns the most steps that a budget can pay for: those in which each proposal ends after its parent's minibatch. */
export function mostSteps(budget: number, sizes: StepSizes): number {
  return Math.max(1, Math.ceil((budget - sizes.selection - sizes.repeats) / sizes.minibatch));
}
