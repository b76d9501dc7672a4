/** Checks that a vLLM server reports what training needs: the sampled tokens, with the log-probabilities that they were drawn with. */
import { BackendError } from '@agent-lightning/core';
import type { OneToken, VllmClient } from './vllm-client.ts';

/** Returns the sampling fields of the policy's own distribution, at a temperature. */
const ownDistribution = (temperature: number): object => ({
  temperature,
  top_p: 1,
  top_k: -1,
  min_p: 0,
  repetition_penalty: 1,
});

/** Prompts after which some next tokens are far likelier than others. */
const prompts = ['The capital of France is', '1 2 3 4', 'The'];
/** The smallest difference, in nats, that rounding in half precision cannot blur into that of another temperature. */
const smallestGap = 0.1;

/**
 * Samples one token from an adapter, to check that the server serves it.
 * @throws {ConfigurationError} `option-unsupported` when tokens or log-probabilities are missing
 * @throws {BackendError} `backend-failed` when another model answered
 */
export async function probeAdapter(client: VllmClient, name: string): Promise<void> {
  const token = await client.completeOneToken(name, prompts[0]!, ownDistribution(1));
  if (token.model !== name)
    throw new BackendError(`vLLM at ${client.url} answered for ${String(token.model)} when ${name} was asked.`, {
      code: 'backend-failed',
    });
  requireTokens(client, token);
}

/**
 * Compares the likeliest tokens at two temperatures, and without any sampling field, on the base model.
 * @returns false when no prompt told one way of sampling from another, so that nothing was checked
 * @throws {ConfigurationError} `option-unsupported`, naming the flag that the server needs
 */
export async function checkSampling(client: VllmClient, base: string): Promise<boolean> {
  for (const prompt of prompts) {
    const plain = await client.completeOneToken(base, prompt, ownDistribution(1));
    requireTokens(client, plain);
    const hot = await client.completeOneToken(base, prompt, ownDistribution(2));
    const pair = widestPair(plain, hot);
    if (pair === undefined) continue;
    // log p(a)/p(b) is divided by the temperature where log-probabilities are those that were sampled with.
    if (gapOf(hot, pair) / gapOf(plain, pair) > 0.75) {
      throw client.needs(
        'at temperature 2 it reports the log-probabilities of temperature 1, which are not those that it samples with',
        'with --logprobs-mode processed_logprobs',
      );
    }
    const untold = await client.completeOneToken(base, prompt, {});
    const ratio = gapOf(untold, pair) / gapOf(plain, pair);
    if (!(Math.abs(ratio - 1) < 0.1)) {
      throw client.needs(
        "a request that names no temperature gets one of the model's generation_config.json",
        'with --generation-config vllm',
      );
    }
    return true;
  }
  return false;
}

function requireTokens(client: VllmClient, { tokenIds, logprobs }: OneToken): void {
  if (tokenIds?.length !== 1)
    throw client.needs('it does not return token ids (return_token_ids)', 'from vLLM 0.10.2 or newer');
  if (logprobs?.length !== 1 || !Number.isFinite(logprobs[0]))
    throw client.needs('it returns no log-probabilities', 'with a --max-logprobs of at least 5');
}

type Pair = readonly [string, string];

/** Returns the two tokens, listed in both, whose log-probabilities differ most in the first. */
function widestPair(plain: OneToken, hot: OneToken): Pair | undefined {
  const common = [...plain.alternatives.keys()].filter((text) => hot.alternatives.has(text));
  const sorted = common.toSorted((a, b) => plain.alternatives.get(b)! - plain.alternatives.get(a)!);
  const pair: Pair = [sorted[0] ?? '', sorted.at(-1) ?? ''];
  return gapOf(plain, pair) >= smallestGap ? pair : undefined;
}

/** Returns log p(a)/p(b), in nats; infinite where sampling leaves b out. */
function gapOf({ alternatives }: OneToken, [a, b]: Pair): number {
  return (alternatives.get(a) ?? Number.NEGATIVE_INFINITY) - (alternatives.get(b) ?? Number.NEGATIVE_INFINITY);
}
