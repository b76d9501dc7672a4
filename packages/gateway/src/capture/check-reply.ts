import { storeLimits } from '@agent-lightning/store';
import type { ModelReply } from '../reply/model-reply.ts';

/** The reason why a call must not be trained on: a short kind to count by, and the whole text. */
export interface Untrainable {
  readonly kind:
    | 'incomplete'
    | 'failed'
    | 'no-tokens'
    | 'no-logprobs'
    | 'no-usage'
    | 'length-mismatch'
    | 'malformed'
    | 'grammar'
    | 'stale'
    | 'passthrough';
  readonly reason: string;
}

function missing(reply: ModelReply): Untrainable | undefined {
  if (reply.malformed !== undefined) return { kind: 'malformed', reason: reply.malformed };
  if (reply.promptIds === undefined || reply.promptIds.length === 0) {
    return {
      kind: 'no-tokens',
      reason:
        'the upstream sent no prompt token ids; serve the policy with an engine that honours return_token_ids (vLLM ≥ 0.10.2)',
    };
  }
  for (const [index, choice] of reply.choices.entries()) {
    if (choice.finishReason === undefined)
      return { kind: 'incomplete', reason: `choice ${index} has no finish reason` };
    if (choice.tokens === undefined || choice.tokens.length === 0)
      return { kind: 'no-tokens', reason: `the upstream sent no response token ids for choice ${index}` };
    if (choice.logprobs === undefined)
      return { kind: 'no-logprobs', reason: `the upstream sent no log-probabilities for choice ${index}` };
  }
  return reply.usage === undefined
    ? { kind: 'no-usage', reason: 'the upstream sent no usage to check the token ids against' }
    : undefined;
}

function mismatch(reply: ModelReply): string | undefined {
  let sampled = 0;
  for (const [index, choice] of reply.choices.entries()) {
    const ids = choice.tokens?.length ?? 0;
    const logprobs = choice.logprobs?.length ?? 0;
    if (ids !== logprobs) return `choice ${index} has ${ids} token ids but ${logprobs} log-probabilities`;
    sampled += ids;
    const length = (reply.promptIds?.length ?? 0) + ids;
    if (length > storeLimits.tokensPerSpan)
      return `choice ${index} and its prompt have ${length} tokens, more than the ${storeLimits.tokensPerSpan} that a span can hold`;
  }
  if (reply.usage?.outputTokens !== sampled)
    return `usage counts ${reply.usage?.outputTokens} completion tokens but there are ${sampled} token ids`;
  const prompt = reply.promptIds?.length ?? 0;
  return reply.usage.inputTokens === prompt
    ? undefined
    : `usage counts ${reply.usage.inputTokens} prompt tokens but there are ${prompt} token ids`;
}

/** Checks ids, log-probabilities and usage against each other; returns undefined when the reply may be trained on. */
export function checkReply(reply: ModelReply): Untrainable | undefined {
  const absent = missing(reply);
  if (absent !== undefined) return absent;
  const reason = mismatch(reply);
  return reason === undefined ? undefined : { kind: 'length-mismatch', reason };
}
