import type { CurvePoint, Verdict } from '@agent-lightning/run';

/** The reason why a run ended. `converged`: the algorithm found nothing more to learn; for `grpo`, every group's rewards are equal and better than at first. */
export type StopReason = 'completed' | 'converged' | 'interrupted';

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
  /** Reward on all held-out tasks after the last step; undefined when the run was interrupted, and without validation tasks. */
  readonly validationAfter: number | undefined;
  /**
   * Whether the kept step is better than the start, on held-out tasks that nothing was chosen by. Undefined when the run was interrupted, and where
   * `fit` says no verdict.
   */
  readonly verdict: Verdict | undefined;
  /** The step that was kept, whose result is in `modelDirectory`; the last one where none is chosen. Undefined when the run was interrupted. */
  readonly bestStep: number | undefined;
  readonly curve: readonly CurvePoint[];
  /** Interruptions left out. */
  readonly wallSeconds: number;
  /**
   * The directory with the result of the algorithm: trained weights as an ordinary checkpoint, or with `policies` a folder that has one by each name; or prompts.
   * Undefined when the run was interrupted.
   */
  readonly modelDirectory: string | undefined;
  readonly reportPath: string;
}
