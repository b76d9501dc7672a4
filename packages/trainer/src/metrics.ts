/** Seconds of a training step by phase. */
export interface PhaseSeconds {
  /** Enqueueing the rollouts until the last one was final. */
  readonly rollout: number;
  /** Spans → transitions → credit → advantages → rows. */
  readonly convert: number;
  readonly train: number;
  readonly publish: number;
  readonly validate: number;
  readonly checkpoint: number;
}

/** The reward of a set of rollouts. */
export interface RewardSummary {
  /** NaN is never written: undefined when no rollout had a reward. */
  readonly mean: number | undefined;
  /** Population standard deviation. */
  readonly deviation: number | undefined;
  /** Rollouts with a reward. */
  readonly count: number;
  /** Mean reward by task kind. */
  readonly byKind: Readonly<Record<string, number>>;
}

/** A validation: held-out tasks, greedy. */
export interface ValidationMetrics {
  /** Mean reward of the tasks; a rollout that failed or has no reward counts as 0 here. */
  readonly reward: number;
  readonly rollouts: number;
  readonly failed: number;
  readonly byKind: Readonly<Record<string, number>>;
  /** Whether all validation tasks ran, or the subset. */
  readonly complete: boolean;
}

/** How far the policy that trains is from the one that sampled, over the tokens of a step. */
export interface OffPolicyMetrics {
  /** Mean of r = exp(lp − q). */
  readonly ratioMean: number;
  readonly ratioMax: number;
  /** Share of the tokens that the loss clips: for `ppo` those without gradient. */
  readonly clipFraction: number;
  /** KL(sampler ‖ trainer) in nats, by k3, before the step's first update: what the two disagree by. */
  readonly klSamplerTrainer: number;
}

/** One line of `metrics.jsonl`. */
export interface StepMetrics extends Partial<OffPolicyMetrics> {
  readonly step: number;
  readonly epoch: number;
  readonly policyVersion: number;
  /** Sampled reward of the step's training rollouts. */
  readonly reward: RewardSummary;
  readonly validation?: ValidationMetrics;
  readonly rollouts: number;
  readonly succeeded: number;
  readonly failed: number;
  /** Failed rollouts by failure code. */
  readonly failures: Readonly<Record<string, number>>;
  /** Rollouts that ended without a trainable model call. */
  readonly withoutCalls: number;
  readonly withoutReward: number;
  readonly groupsUsed: number;
  readonly groupsZeroVariance: number;
  readonly groupsSingleton: number;
  readonly transitions: number;
  readonly untrainableCalls: number;
  /** Spans that could not be used, such as a malformed reward of another writer. */
  readonly traceProblems: number;
  readonly rows: number;
  readonly tokensTrained: number;
  /** Prompt and response tokens of the rows: what went through the model to train. */
  readonly tokensProcessed: number;
  readonly tokensSampled: number;
  readonly optimizerSteps: number;
  readonly learningRate: number;
  /** Mean over the step's minibatches. */
  readonly loss?: number;
  /** Nats. */
  readonly entropy?: number;
  /** Largest of the step's optimizer steps, before clipping. */
  readonly gradientNorm?: number;
  /** KL(policy ‖ base model) in nats, by k1; with a KL coefficient only. */
  readonly klBase?: number;
  /** Versions between sampling and training: mean and largest over the transitions. */
  readonly stalenessMean?: number;
  readonly stalenessMax?: number;
  /** Why there was nothing to learn from, when there was not. */
  readonly noSignal?: string;
  readonly seconds: PhaseSeconds;
  readonly sampledTokensPerSecond: number;
  readonly trainedTokensPerSecond: number;
  /** Since the run began, interruptions left out. */
  readonly wallSeconds: number;
}

/** A point of the learning curve; step 0 is before training. */
export interface CurvePoint {
  readonly step: number;
  /** Mean sampled training reward of the step. */
  readonly reward?: number;
  /** Mean greedy reward on held-out tasks after the step. */
  readonly validation?: number;
}
