/** The shapes of the replies that tell how model calls became training samples. */

/** The layout of samples: one for each call, or one for all calls that continue each other. */
export type Layout = 'transition' | 'trajectory';

/** The reply of `/api/runs/:run/samples?step=3`. */
export interface StepSamples {
  readonly step: number;
  /** Absent where the options of the run do not tell: then the tree is that of `trajectory`. */
  readonly layout?: Layout;
  /** Sums over the rollouts that are trained on. */
  readonly used: SampleSums;
  /** What was left out, by reason, the most first. */
  readonly leftOut: readonly LeftOut[];
  readonly rollouts: readonly RolloutSamples[];
  /** Say where the figures come from, and why some are not known. */
  readonly remarks: readonly string[];
}

export interface SampleSums {
  readonly rollouts: number;
  readonly calls: number;
  readonly samples: number;
  /** Response tokens with mask 1. */
  readonly trainedTokens: number;
  /** All tokens of the samples, which go through the model to train. */
  readonly sampleTokens: number;
  /** The tokens that would go through it if each call were a sample of its own. */
  readonly callTokens: number;
}

/** A reason for which rollouts or calls were not trained on. */
export interface LeftOut {
  readonly what: 'rollouts' | 'calls';
  readonly reason: string;
  readonly count: number;
  /** The rollouts that it concerns, at most 100 of them. */
  readonly rolloutIds: readonly string[];
}

/** A rollout of a step, with what became of its calls. */
export interface RolloutSamples {
  readonly id: string;
  readonly group?: string;
  readonly task: string;
  readonly reward?: number;
  readonly calls: number;
  readonly untrainable: number;
  readonly samples: number;
  readonly trainedTokens: number;
  readonly sampleTokens: number;
  /** Says why nothing of it was trained on; absent where something was, and where it is not known. */
  readonly leftOut?: string;
}

/** The reply of `/api/runs/:run/rollouts/:rollout/samples`. */
export interface RolloutTree {
  readonly layout?: Layout;
  readonly leftOut?: string;
  readonly calls: readonly TreeCall[];
  readonly samples: readonly TreeSample[];
  readonly untrainable: readonly { readonly spanId: string; readonly agentName: string; readonly reason: string }[];
  readonly remarks: readonly string[];
}

/** A model call in the tree of token prefixes. */
export interface TreeCall {
  readonly index: number;
  readonly spanId: string;
  readonly agentName: string;
  readonly policy: string;
  readonly policyVersion: number;
  readonly promptTokens: number;
  readonly responseTokens: number;
  readonly finishReason: string;
  /** The call that it continues token for token; absent for one that begins a branch. */
  readonly parent?: number;
  /** Calls above it in the tree. */
  readonly depth: number;
  /** The sample in which its response is trained on. */
  readonly sample: number;
  /** The beginning of its answer as text; absent where it is not known. */
  readonly answer?: string;
  /** Reward of the call itself. */
  readonly reward?: number;
  readonly credit?: number;
  readonly advantage?: number;
  /** Where its prompt leaves the earlier call with which it shares the most; only of a call that begins a branch after another one. */
  readonly parts?: PartingPoint;
}

/** The place where a prompt leaves an earlier prompt and response, so that both are no one sample. */
export interface PartingPoint {
  readonly call: number;
  /** Tokens that both share, of those of the earlier call. */
  readonly shared: number;
  readonly of: number;
  /** The next texts of the earlier call and of this one; absent where texts are not known. */
  readonly before?: string;
  readonly after?: string;
  /** Another reason why it is no continuation. */
  readonly because?: 'policy' | 'temperature';
}

export interface TreeSample {
  readonly policy: string;
  /** Its calls from the root to the leaf. */
  readonly calls: readonly number[];
  /** Those of them whose responses are trained on here; the others are context. */
  readonly trainedCalls: readonly number[];
  readonly tokens: number;
  readonly trainedTokens: number;
}
