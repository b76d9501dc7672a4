import { isPayload, type ReplyFormat } from './reply-format.ts';

/** The format of `POST /completions`. */
export const completionFormat: ReplyFormat = {
  path: '/completions',
  captureFields: (request) => ({ logprobs: request.body['logprobs'] ?? 1, return_token_ids: true }),
  readChoice(choice, index, draft) {
    const text = choice['text'];
    if (typeof text === 'string' && text !== '') {
      draft.choice(index)?.message.add({ content: text });
      draft.markFirstToken();
    }
    const logprobs = choice['logprobs'];
    if (isPayload(logprobs) && Array.isArray(logprobs['token_logprobs']))
      draft.addLogprobs(
        index,
        logprobs['token_logprobs'].map((logprob: unknown) => (typeof logprob === 'number' ? logprob : Number.NaN)),
      );
  },
};
