import {
  tokenText,
  usagePayload,
  type EngineReplyForm,
  type Payload,
  type Piece,
  type ReplyHead,
} from './engine-reply-form.ts';

function logprobLists(pieces: readonly Piece[]): Payload {
  const tokens = pieces.flatMap((piece) => Array.from(piece.tokens, (_, position) => tokenText(piece, position)));
  let offset = 0;
  const offsets = pieces.flatMap((piece) => {
    const start = offset;
    offset += piece.text.length;
    return Array.from(piece.tokens, () => start);
  });
  return {
    tokens,
    token_logprobs: pieces.flatMap((piece) => [...piece.logprobs]),
    top_logprobs: null,
    text_offset: offsets,
  };
}

function chunk(head: ReplyHead, index: number, text: string, rest: Payload): Payload {
  return {
    ...head,
    object: 'text_completion',
    choices: [{ index, text, logprobs: null, finish_reason: null, ...rest }],
  };
}

/** The form of text completions. */
export const engineCompletionReply: EngineReplyForm = {
  idPrefix: 'cmpl-',
  whole: (head, reply, view, pieces) => ({
    ...head,
    object: 'text_completion',
    choices: reply.choices.map((choice, index) => ({
      index,
      text: choice.message.content ?? '',
      logprobs: view.logprobs ? logprobLists(pieces[index] ?? []) : null,
      finish_reason: choice.finishReason,
      ...(view.tokenIds
        ? { token_ids: [...(choice.tokens ?? [])], prompt_token_ids: [...(reply.promptIds ?? [])] }
        : {}),
    })),
    ...(reply.usage === undefined ? {} : { usage: usagePayload(reply.usage) }),
  }),
  opening: (head, choices, view, prompt) =>
    view.tokenIds
      ? Array.from({ length: choices }, (_, index) => chunk(head, index, '', { prompt_token_ids: [...prompt] }))
      : [],
  piece: (head, piece, delta, view) => {
    const text = delta.content ?? '';
    if (text === '' && !view.tokenIds && !view.logprobs) return [];
    return [
      chunk(head, piece.choice, text, {
        ...(view.logprobs ? { logprobs: logprobLists([piece]) } : {}),
        ...(view.tokenIds ? { token_ids: [...piece.tokens] } : {}),
      }),
    ];
  },
  finish: (head, index, rest, reason) => [chunk(head, index, rest.content ?? '', { finish_reason: reason })],
  usage: (head, usage) => ({ ...head, object: 'text_completion', choices: [], usage: usagePayload(usage) }),
};
