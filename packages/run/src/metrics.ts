/** Seconds of a training step by phase. */
export interface PhaseSeconds {
  /** Waiting for rollouts: until the step's last one was final. */
  readonly rollout: number;
  /** Spans → transitions → credit → advantages → rows. */
  readonly convert: number;
  readonly train: number;
  readonly publish: number;
  readonly validate: number;
  /** Writing checkpoints since the line before. */
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
  /** The effective sample size as a share of the tokens, (Σ r)² / (n · Σ r²). */
  readonly effectiveSampleShare: number;
  /** KL(sampler ‖ trainer) in nats, by k3, before the step's first update: what the two disagree by. */
  readonly klSamplerTrainer: number;
  /** The same by k1, which may be negative. */
  readonly klSamplerTrainerK1: number;
}

/** How much of a step's time was spent waiting, each from 0 to 1. */
export interface IdleShare {
  /** The training side: for the step's rollouts. */
  readonly trainer: number;
  /** The runners of this process: the mean share of their places in which no agent ran. */
  readonly samplers: number;
}

/** What optimizer steps gave, of one policy or of all. */
export interface TrainedMetrics extends Partial<OffPolicyMetrics> {
  readonly tokensTrained: number;
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
}

/** How old the calls of a step were when they trained. */
export interface StalenessMetrics {
  /** Versions between sampling and training: mean and largest over the transitions. */
  readonly stalenessMean?: number;
  readonly stalenessMax?: number;
  /** Transitions by how many versions old they were. */
  readonly stalenessHistogram?: Readonly<Record<string, number>>;
}

/** One of several policies in a step. */
export interface PolicyMetrics extends TrainedMetrics, StalenessMetrics {
  /** After the step. */
  readonly policyVersion: number;
  readonly transitions: number;
  readonly rows: number;
}

/** One line of `metrics.jsonl`. */
export interface StepMetrics extends TrainedMetrics, StalenessMetrics {
  readonly step: number;
  readonly epoch: number;
  /** The newest of all policies'. */
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
  /** Prompt and response tokens of the rows: what went through the model to train. */
  readonly tokensProcessed: number;
  readonly tokensSampled: number;
  /** Of the step's groups, the share without variance. */
  readonly zeroVarianceShare: number;
  /** Of the transitions, the share that the token limit cut off. */
  readonly truncatedShare: number;
  /** Calls that were too old to be trained on. */
  readonly staleCalls: number;
  /** Rollouts that waited to be begun when the step began to train; above 0 where later steps are sampled ahead. */
  readonly queueDepth: number;
  readonly idleShare: IdleShare;
  /** By name; where a run has `policies`. The step's own figures are over all of them. */
  readonly policies?: Readonly<Record<string, PolicyMetrics>>;
  /** Why there was nothing to learn from, when there was not. */
  readonly noSignal?: string;
  readonly seconds: PhaseSeconds;
  /** Over the time in which the step waited for rollouts; where later steps are sampled ahead, over the whole step without its validation. */
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
