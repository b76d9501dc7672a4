import type { ChatMessage } from '@agent-lightning/core';
import type { JsonObject } from '../http/read-body.ts';

/** A request in the gateway's own form, its known fields checked: a chat, or a prompt to continue. */
export interface ModelRequest {
  /** The whole body, with the fields that only an upstream understands. */
  readonly body: JsonObject;
  readonly model: string;
  readonly input: ModelInput;
  readonly choices: number;
  readonly temperature: number | undefined;
  readonly topP: number | undefined;
  readonly maxTokens: number | undefined;
  readonly seed: number | undefined;
  readonly stop: readonly string[];
  /** The form of the reply that the agent asked for. */
  readonly view: ReplyView;
}

export type ModelInput =
  | { readonly kind: 'chat'; readonly messages: readonly ChatMessage[] }
  | { readonly kind: 'completion'; readonly prompt: string | Int32Array };

/** The form of the reply that an agent asked for, and the extras. */
export interface ReplyView {
  readonly stream: boolean;
  readonly usage: boolean;
  readonly logprobs: boolean;
  readonly tokenIds: boolean;
}
