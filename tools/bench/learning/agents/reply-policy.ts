import { lossAndDerivative, type Loss, type TrainingSample } from '@agent-lightning/core';

/** A model of replies of one token, as exact as float64 is. It learns by the losses of core and by Adam, as every backend does. */
export interface ReplyPolicy {
  /** Returns the probability of each reply to a prompt; the array belongs to the policy. */
  probabilities(prompt: Int32Array): Float64Array;
  /** Adds the gradient of the loss over samples of one prompt and one reply each; returns the loss, as a sum. */
  addGradient(samples: readonly TrainingSample[], loss: Loss): number;
  /** Takes one step of Adam on the gradient that was added, and clears it; returns the norm of the gradient. */
  optimStep(learningRate: number): number;
}

/** Returns the prompt of a sample and its reply, which is the last token. */
export function readSample({ tokens }: TrainingSample): { readonly prompt: Int32Array; readonly reply: number } {
  const last = tokens.length - 1;
  return { prompt: tokens.subarray(0, last), reply: tokens[last]! };
}

/** Returns the loss of a sample, and its derivative by the log-probability of the reply, which now has the given probability. */
export function lossOfReply(
  sample: TrainingSample,
  probability: number,
  loss: Loss,
): { readonly value: number; readonly slope: number } {
  const last = sample.tokens.length - 1;
  const logprobs = new Float64Array(last + 1);
  logprobs[last] = Math.log(probability);
  const { loss: value, derivative } = lossAndDerivative(sample, logprobs, loss);
  return { value, slope: derivative[last]! };
}
