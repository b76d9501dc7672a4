import type { Interval } from './verdict/reward-interval.ts';

/** Seconds of a training step by phase. */
export interface PhaseSeconds {
  /** The wait for rollouts, until the step's last one was final. */
  readonly rollout: number;
  /** Spans → transitions → credit → advantages → training samples. */
  readonly convert: number;
  readonly train: number;
  readonly publish: number;
  readonly validate: number;
  /** The writing of checkpoints since the line before. */
  readonly checkpoint: number;
}

/** The reward of a set of rollouts. */
export interface RewardSummary {
  /** The mean; undefined when no rollout had a reward. */
  readonly mean: number | undefined;
  /** Population standard deviation. */
  readonly deviation: number | undefined;
  /** The lowest and the highest; absent when no rollout had a reward. */
  readonly lowest?: number;
  readonly highest?: number;
  /** The lowest and the highest that were earned, those of failures left out; absent when no rollout that succeeded had a reward. */
  readonly earned?: readonly [lowest: number, highest: number];
  /** Rollouts with a reward. */
  readonly count: number;
  /** Mean reward by task kind. */
  readonly byKind: Readonly<Record<string, number>>;
}

/** The result of a validation, which runs held-out tasks greedily. */
export interface ValidationMetrics {
  /** Mean reward of the tasks that count: a rollout that failed by the policy's doing or for an unknown reason has the failure reward. */
  readonly reward: number;
  /** The interval of the mean over tasks: the tasks are a sample, and other tasks would give another mean. */
  readonly interval: Interval;
  readonly rollouts: number;
  readonly failed: number;
  /** Rollouts that do not count: they failed by the world's doing, or succeeded without a reward. */
  readonly leftOut: number;
  readonly byKind: Readonly<Record<string, number>>;
  /** Mean reward of the tasks by which the best step is chosen; undefined where none is chosen, or one of these tasks does not count. */
  readonly selection?: number;
  /** True when all validation tasks ran, false when only the subset did. */
  readonly complete: boolean;
}

/** The share of a step's time that was spent waiting, from 0 to 1. */
export interface IdleShare {
  /** The share in which the training side waited for the step's rollouts. */
  readonly trainer: number;
  /** The mean share of the places of this process's runners in which no agent ran. */
  readonly samplers: number;
}

/** Figures of how the answers of a step depend on their tasks, and the rewards on the answers. */
export interface AnswerMetrics {
  /** Mean similarity of the answers of two rollouts of one task, from 0 to 1: the cosine of their counts of token pairs. */
  readonly sameTask: number;
  /** The same for rollouts of different tasks. */
  readonly otherTask: number;
  /** The rewards of rollouts that gave the same answer to the same task, against those that gave another one; absent when no answer was given twice. */
  readonly repeated?: RepeatedAnswers;
}

/** An analysis of variance of the rewards by answer, within tasks in which an answer was given twice. */
export interface RepeatedAnswers {
  /** Sum of squares between the mean rewards of a task's answers, and its degrees of freedom. */
  readonly between: number;
  readonly betweenDegrees: number;
  /** Sum of squares among equal answers to one task, and its degrees of freedom. */
  readonly within: number;
  readonly withinDegrees: number;
}

/** The spend of a run up to a step, over all of its processes. */
export interface SpendMetrics {
  /** Tokens, sent and received, of all calls whose tokens were reported. */
  readonly tokens: number;
  /** US dollars of the calls whose model has a price and whose tokens were reported. */
  readonly usd: number;
  /** The same by part that asked: `agent`, `judge` and `optimizer`, with its calls and those of them without a price or reported tokens. */
  readonly parts: Readonly<
    Record<string, { readonly calls: number; readonly tokens: number; readonly usd: number; readonly unknown: number }>
  >;
}

/** One line of `metrics.jsonl`, but for what the algorithm adds. */
export interface StepMetrics {
  readonly step: number;
  /** Sampled reward of the step's training rollouts. */
  readonly reward: RewardSummary;
  readonly validation?: ValidationMetrics;
  readonly rollouts: number;
  readonly succeeded: number;
  readonly failed: number;
  /** Failed rollouts by failure code. */
  readonly failures: Readonly<Record<string, number>>;
  /** Failed rollouts by who caused the failure: the policy, the world, or nobody knows. */
  readonly failureKinds: Readonly<Record<'policy' | 'world' | 'unknown', number>>;
  /** The reward with which failures of the policy and of unknown cause counted. */
  readonly failureReward: number;
  /** Rollouts that ended at a limit of turns, steps or tool calls, or whose last call asked for a tool that was not run any more. */
  readonly turnLimited: number;
  /** Attempts that failed and were tried again. */
  readonly retries: number;
  /** Rollouts that ended without a trainable model call. */
  readonly withoutCalls: number;
  readonly withoutReward: number;
  readonly transitions: number;
  readonly untrainableCalls: number;
  /** Spans that could not be used, such as a malformed reward of another writer. */
  readonly traceProblems: number;
  readonly tokensSampled: number;
  /** Absent when the step had no two tasks with answers. */
  readonly answers?: AnswerMetrics;
  /** The codes of the ailments that the run has after this step, see `docs/why-no-learning.md`; absent when it has none. */
  readonly ailments?: readonly string[];
  /** The share of the calls that could be trained on that the token limit cut off, those that are left out for it among them. */
  readonly truncatedShare: number;
  /** What the run has spent since it began; absent where only a policy is asked and nothing is limited. */
  readonly spend?: SpendMetrics;
  /** Rollouts that waited for a runner when the step began to train; above 0 where later steps are sampled ahead. */
  readonly queueDepth: number;
  readonly idleShare: IdleShare;
  readonly seconds: PhaseSeconds;
  /** The tokens by the time in which the step waited for rollouts; where later steps are sampled ahead, over the whole step without its validation. */
  readonly sampledTokensPerSecond: number;
  /** Seconds since the run began, interruptions left out. */
  readonly wallSeconds: number;
}

/** A point of the learning curve; step 0 is before training. */
export interface CurvePoint {
  readonly step: number;
  /** Mean sampled training reward of the step. */
  readonly reward?: number;
  /** Mean greedy reward on held-out tasks after the step. */
  readonly validation?: number;
  /** The interval of `validation`. */
  readonly validationInterval?: Interval;
}
