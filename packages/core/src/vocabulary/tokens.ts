/** The token ids that one model call gave to the engine and got from it, with their log-probabilities. Ids come from the engine that sampled them. */
export interface TokenBlob {
  /** Shape (P,): the rendered prompt. */
  readonly prompt: Int32Array;
  /** Shape (T,): the sampled tokens, the stop token included when the engine reported it. */
  readonly response: Int32Array;
  /** Shape (T,), nats, aligned with `response`: log-probability under the distribution that was sampled from. */
  readonly logprobs: Float32Array;
}

/** An engine's rounding may put a log-probability this far above 0. */
const roundingTolerance = 1e-3;

/** Tells whether a number can be a log-probability: it is finite and, apart from rounding, at most 0. */
export function isLogprob(value: number): boolean {
  return Number.isFinite(value) && value <= roundingTolerance;
}
