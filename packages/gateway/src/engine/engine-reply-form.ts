import type { GenerateEvent } from '@agent-lightning/core';
import type { ReplyView } from '../request/model-request.ts';
import type { ModelReply, ReplyUsage } from '../reply/model-reply.ts';
import type { TextDelta } from './tool-call-text.ts';

export type Piece = Extract<GenerateEvent, { type: 'piece' }>;
export type Payload = Record<string, unknown>;

/** The fields that every payload of one reply begins with. */
export interface ReplyHead {
  readonly id: string;
  /** Seconds since the epoch. */
  readonly created: number;
  readonly model: string;
  /** Names the policy's version. */
  readonly system_fingerprint: string;
}

/** The form that an engine's reply has in a dialect. */
export interface EngineReplyForm {
  readonly idPrefix: string;
  /** Returns the unstreamed reply; `pieces` holds each choice's, and is read only for log-probabilities. */
  whole(head: ReplyHead, reply: ModelReply, view: ReplyView, pieces: readonly (readonly Piece[])[]): Payload;
  /** Returns the chunks before the first piece. */
  opening(head: ReplyHead, choices: number, view: ReplyView, prompt: Int32Array): Payload[];
  /** Returns the chunk of a piece, or none when it would show the agent nothing. */
  piece(head: ReplyHead, piece: Piece, delta: TextDelta, view: ReplyView): Payload[];
  /** Returns the chunks that end a choice, with the text that was held back. */
  finish(head: ReplyHead, index: number, rest: TextDelta, reason: string): Payload[];
  usage(head: ReplyHead, usage: ReplyUsage): Payload;
}

/** Returns the text of a token. A piece of one token spells it; of several, the engine does not say which token spells what. */
export function tokenText(piece: Piece, position: number): string {
  return piece.tokens.length === 1 ? piece.text : `token_id:${piece.tokens[position]}`;
}

export function usagePayload(usage: ReplyUsage): Payload {
  return {
    prompt_tokens: usage.inputTokens,
    completion_tokens: usage.outputTokens,
    total_tokens: usage.inputTokens + usage.outputTokens,
  };
}
