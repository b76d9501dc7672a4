import type { BatchSample, Loss } from '@agent-lightning/core';

/** A model of replies of one token, as exact as float64 is. It learns by the losses of core and by Adam, as every backend does. */
export interface ReplyPolicy {
  /** Returns the probability of each reply to a prompt; the array belongs to the policy. */
  probabilities(prompt: Int32Array): Float64Array;
  /** Takes one step on samples of one prompt and one reply each. */
  step(samples: readonly BatchSample[], loss: Loss, learningRate: number): void;
}
