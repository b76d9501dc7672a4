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

/**
 * The lowest log-probability that a sampled token can have, in nats. One of e^-80 is not drawn in the life of a machine, but servers write
 * sentinels such as vLLM's −9999 for minus infinity; and e^80 is an importance ratio that still fits into a float32.
 */
const lowestLogprob = -80;

/** Tells whether a number can be the log-probability of a sampled token: it is at least −80 and, apart from rounding, at most 0. */
export function isLogprob(value: number): boolean {
  return value >= lowestLogprob && value <= roundingTolerance;
}
