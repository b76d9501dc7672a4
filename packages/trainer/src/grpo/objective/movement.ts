import { checkLogprobs, type BatchSample } from '@agent-lightning/core';

type Scored = Pick<BatchSample, 'tokens' | 'lossMask' | 'logprobs' | 'advantages' | 'segments'>;

/**
 * Returns how far a policy has moved: D = Σ ½·(now − before)² over the trained tokens, divided by the number of calls, which to second
 * order is the KL between the two. 0 without samples.
 * @param before per sample, shape (T,), nats: the trainer's log-probabilities
 * @param now the same, of the weights as they are now
 * @returns nats a call
 * @throws {BackendError} `samples-invalid` for another length, `numerics` for a number that is not finite
 */
export function movementOf(
  samples: readonly Scored[],
  before: readonly ArrayLike<number>[],
  now: readonly ArrayLike<number>[],
): number {
  let sum = 0;
  samples.forEach((sample, index) => {
    const [old, present] = [before[index] ?? [], now[index] ?? []];
    checkLogprobs(sample, old);
    checkLogprobs(sample, present);
    for (let t = 0; t < sample.tokens.length; t += 1)
      if (sample.lossMask[t] !== 0) sum += (present[t]! - old[t]!) ** 2 / 2;
  });
  return perCall(sum, samples);
}

/** Returns the entropy of the policy that sampled, by the tokens that it drew: H = Σ −log p / calls, in nats a call; 0 without samples. */
export function entropyOf(samples: readonly Scored[]): number {
  let sum = 0;
  for (const { tokens, lossMask, logprobs } of samples)
    for (let t = 0; t < tokens.length; t += 1) if (lossMask[t] !== 0) sum -= logprobs[t]!;
  return perCall(sum, samples);
}

function perCall(sum: number, samples: readonly Scored[]): number {
  const calls = samples.reduce((count, { segments }) => count + segments.length, 0);
  return calls === 0 ? 0 : sum / calls;
}
