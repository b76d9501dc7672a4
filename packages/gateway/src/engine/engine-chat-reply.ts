import {
  tokenText,
  usagePayload,
  type EngineReplyForm,
  type Payload,
  type Piece,
  type ReplyHead,
} from './engine-reply-form.ts';

function logprobEntries(pieces: readonly Piece[]): Payload[] {
  return pieces.flatMap((piece) =>
    Array.from(piece.logprobs, (logprob, position) => {
      const token = tokenText(piece, position);
      return { token, logprob, bytes: piece.tokens.length === 1 ? [...Buffer.from(token)] : null, top_logprobs: [] };
    }),
  );
}

function chunkPayload(head: ReplyHead, index: number, delta: Payload, finishReason: string | null): Payload {
  return {
    ...head,
    object: 'chat.completion.chunk',
    choices: [{ index, delta, logprobs: null, finish_reason: finishReason }],
  };
}

/** The form of chat completions. */
export const engineChatReply: EngineReplyForm = {
  idPrefix: 'chatcmpl-',
  whole: (head, reply, view, pieces) => ({
    ...head,
    object: 'chat.completion',
    choices: reply.choices.map((choice, index) => ({
      index,
      message: { refusal: null, ...choice.message },
      logprobs: view.logprobs ? { content: logprobEntries(pieces[index] ?? []), refusal: null } : null,
      finish_reason: choice.finishReason,
      ...(view.tokenIds ? { token_ids: [...(choice.tokens ?? [])] } : {}),
    })),
    ...(reply.usage === undefined ? {} : { usage: usagePayload(reply.usage) }),
    ...(view.tokenIds ? { prompt_token_ids: [...(reply.promptIds ?? [])] } : {}),
  }),
  // The very first chunk carries the prompt's ids when they were asked for.
  opening: (head, choices, view, prompt) =>
    Array.from({ length: choices }, (_, index) => ({
      ...chunkPayload(head, index, { role: 'assistant', content: '' }, null),
      ...(view.tokenIds && index === 0 ? { prompt_token_ids: [...prompt] } : {}),
    })),
  piece: (head, piece, delta, view) => {
    const isEmpty = (delta.content ?? '') === '' && delta.reasoning === undefined && delta.tool_calls === undefined;
    if (isEmpty && !view.tokenIds && !view.logprobs) return [];
    const choice = {
      index: piece.choice,
      delta,
      logprobs: view.logprobs ? { content: logprobEntries([piece]), refusal: null } : null,
      finish_reason: null,
      ...(view.tokenIds ? { token_ids: [...piece.tokens] } : {}),
    };
    return [{ ...head, object: 'chat.completion.chunk', choices: [choice] }];
  },
  finish: (head, index, rest, reason) => {
    const last = chunkPayload(head, index, {}, reason);
    return Object.keys(rest).length === 0 ? [last] : [chunkPayload(head, index, { ...rest }, null), last];
  },
  usage: (head, usage) => ({ ...head, object: 'chat.completion.chunk', choices: [], usage: usagePayload(usage) }),
};
