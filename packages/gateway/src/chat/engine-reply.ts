import type { GenerateEvent } from '@agent-lightning/core';
import type { ReplyView } from './chat-request.ts';
import type { ModelReply, ReplyUsage } from './model-reply.ts';
import type { TextDelta } from './tool-call-text.ts';

type Piece = Extract<GenerateEvent, { type: 'piece' }>;
type Payload = Record<string, unknown>;

/** What every payload of one reply begins with. */
export interface ReplyHead {
  readonly id: string;
  /** Seconds since the epoch. */
  readonly created: number;
  readonly model: string;
  /** Names the policy's version. */
  readonly system_fingerprint: string;
}

/** A piece of one token spells it; of several, the engine does not say which token spells what. */
function tokenText(piece: Piece, position: number): string {
  return piece.tokens.length === 1 ? piece.text : `token_id:${piece.tokens[position]}`;
}

function logprobEntries(pieces: readonly Piece[]): Payload[] {
  return pieces.flatMap((piece) =>
    Array.from(piece.logprobs, (logprob, position) => {
      const token = tokenText(piece, position);
      return { token, logprob, bytes: piece.tokens.length === 1 ? [...Buffer.from(token)] : null, top_logprobs: [] };
    }),
  );
}

function usagePayload(usage: ReplyUsage): Payload {
  return {
    prompt_tokens: usage.inputTokens,
    completion_tokens: usage.outputTokens,
    total_tokens: usage.inputTokens + usage.outputTokens,
  };
}

/** The unstreamed reply; `pieces` holds each choice's, and is read only for log-probabilities. */
export function completionPayload(
  head: ReplyHead,
  reply: ModelReply,
  view: ReplyView,
  pieces: readonly (readonly Piece[])[],
): Payload {
  return {
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
    ...(view.tokenIds ? { prompt_token_ids: [...(reply.promptTokens ?? [])] } : {}),
  };
}

function chunkPayload(head: ReplyHead, index: number, delta: Payload, finishReason: string | null): Payload {
  return {
    ...head,
    object: 'chat.completion.chunk',
    choices: [{ index, delta, logprobs: null, finish_reason: finishReason }],
  };
}

/** The first chunk of every choice; the very first carries the prompt's ids when they were asked for. */
export function openingChunks(head: ReplyHead, choices: number, view: ReplyView, prompt: Int32Array): Payload[] {
  return Array.from({ length: choices }, (_, index) => ({
    ...chunkPayload(head, index, { role: 'assistant', content: '' }, null),
    ...(view.tokenIds && index === 0 ? { prompt_token_ids: [...prompt] } : {}),
  }));
}

/** The chunk of a piece; none when it would show the agent nothing. */
export function pieceChunks(head: ReplyHead, piece: Piece, delta: TextDelta, view: ReplyView): Payload[] {
  const isEmpty = (delta.content ?? '') === '' && delta.tool_calls === undefined;
  if (isEmpty && !view.tokenIds && !view.logprobs) return [];
  const choice = {
    index: piece.choice,
    delta,
    logprobs: view.logprobs ? { content: logprobEntries([piece]), refusal: null } : null,
    finish_reason: null,
    ...(view.tokenIds ? { token_ids: [...piece.tokens] } : {}),
  };
  return [{ ...head, object: 'chat.completion.chunk', choices: [choice] }];
}

/** How a choice ends, after what was held back of its text. */
export function finishChunks(head: ReplyHead, index: number, rest: TextDelta, reason: string): Payload[] {
  const last = chunkPayload(head, index, {}, reason);
  return Object.keys(rest).length === 0 ? [last] : [chunkPayload(head, index, { ...rest }, null), last];
}

export function usageChunk(head: ReplyHead, usage: ReplyUsage): Payload {
  return { ...head, object: 'chat.completion.chunk', choices: [], usage: usagePayload(usage) };
}
