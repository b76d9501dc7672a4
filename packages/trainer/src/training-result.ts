import type { CurvePoint, Spend, Verdict } from '@agent-lightning/run';

/**
 * The reason why a run ended. `converged`: the algorithm found nothing more to learn; for `grpo`, every group's rewards are equal and better than at
 * first, or, of a control, equal. `limit-reached`: it has spent what `limits` allows; like an interrupted run it goes on when it is resumed.
 */
export type StopReason = 'completed' | 'converged' | 'interrupted' | 'limit-reached';

/** Tells whether a run that ended so goes on where it was when it is resumed. */
export function isUnfinished(reason: StopReason): boolean {
  return reason === 'interrupted' || reason === 'limit-reached';
}

/** The result of `fit`. */
export interface TrainingResult {
  readonly runId: string;
  readonly runDirectory: string;
  readonly stopReason: StopReason;
  /** Steps that are done. */
  readonly steps: number;
  /** Training and validation rollouts; those of the verdict are counted there. */
  readonly rollouts: number;
  /** Model calls that could be trained on. */
  readonly transitions: number;
  /** Reward on all held-out tasks before training, greedy where a policy answers; undefined without validation tasks. */
  readonly validationBefore: number | undefined;
  /** Reward on all held-out tasks after the last step; undefined when the run was interrupted or reached a limit, and without validation tasks. */
  readonly validationAfter: number | undefined;
  /**
   * Whether the kept step is better than the start, on held-out tasks that nothing was chosen by. Undefined when the run was interrupted or reached a limit, and where
   * `fit` says no verdict.
   */
  readonly verdict: Verdict | undefined;
  /** The step that was kept, whose result is in `modelDirectory`; the last one where none is chosen. Undefined when the run was interrupted or reached a limit. */
  readonly bestStep: number | undefined;
  readonly curve: readonly CurvePoint[];
  /** Everything that the run has spent, over all of its processes. */
  readonly spend: Spend;
  /** Interruptions left out. */
  readonly wallSeconds: number;
  /**
   * The directory with the result of the algorithm: trained weights as an ordinary checkpoint, or with `policies` a folder that has one by each name; or prompts.
   * Undefined when the run was interrupted or reached a limit.
   */
  readonly modelDirectory: string | undefined;
  /** The page of the run; undefined where it could not be written, as on a full disk, which a warning says. */
  readonly reportPath: string | undefined;
}
