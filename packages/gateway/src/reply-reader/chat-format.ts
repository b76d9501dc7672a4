import type { JsonObject } from '../http/read-body.ts';
import type { ReplyDraft } from '../reply/model-reply.ts';
import { isPayload, type Payload, type ReplyFormat } from './reply-format.ts';

function readLogprobs(choice: JsonObject, index: number, draft: ReplyDraft): void {
  const logprobs = choice['logprobs'];
  if (logprobs instanceof Float32Array) return draft.adoptLogprobs(index, logprobs);
  if (!isPayload(logprobs)) return undefined;
  // Sampled refusals are tokens too; engines that fill both lists fill them one after the other.
  for (const list of [logprobs['content'], logprobs['refusal']]) {
    if (Array.isArray(list))
      draft.addLogprobs(
        index,
        list.map((entry: { logprob?: number } | null) => entry?.logprob ?? Number.NaN),
      );
  }
  return undefined;
}

function hasText(said: Payload): boolean {
  return (typeof said['content'] === 'string' && said['content'] !== '') || Array.isArray(said['tool_calls']);
}

/** The format of `POST /chat/completions`. */
export const chatFormat: ReplyFormat = {
  path: '/chat/completions',
  captureFields: () => ({ logprobs: true, return_token_ids: true }),
  readChoice(choice, index, draft, isStream) {
    const said = choice[isStream ? 'delta' : 'message'];
    if (isPayload(said)) {
      draft.choice(index)?.message.add(said);
      if (hasText(said)) draft.markFirstToken();
    }
    readLogprobs(choice, index, draft);
  },
};
