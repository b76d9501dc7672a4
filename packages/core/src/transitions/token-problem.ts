import { isLogprob, type TokenBlob } from '../vocabulary/tokens.ts';

/** Says why a call's tokens cannot be trained on, or returns undefined when they can. */
export function tokenProblem({ prompt, response, logprobs }: TokenBlob): string | undefined {
  if (prompt.length === 0) return 'the prompt has no tokens';
  if (response.length === 0) return 'the response has no tokens';
  if (logprobs.length !== response.length)
    return `${logprobs.length} log-probabilities for ${response.length} response tokens`;
  const bad = logprobs.findIndex((value) => !isLogprob(value));
  if (bad >= 0) return `log-probability ${bad} is ${logprobs[bad]}`;
  const negative = prompt.some((id) => id < 0) || response.some((id) => id < 0);
  return negative ? 'a token id is negative' : undefined;
}
