import type { JsonValue } from '@agent-lightning/core';

/** A chat-completions request as it arrived; fields that no script needs are still there. */
export interface ChatRequest {
  readonly model?: string;
  readonly messages: readonly {
    readonly role: string;
    readonly content?: JsonValue;
    readonly [key: string]: JsonValue | undefined;
  }[];
  readonly tools?: readonly JsonValue[];
  readonly stream?: boolean;
  readonly n?: number;
  readonly [key: string]: unknown;
}

export interface ScriptedToolCall {
  readonly name: string;
  /** A string goes out as it is, so that broken JSON can be scripted. */
  readonly arguments: string | { readonly [key: string]: JsonValue };
  /** @default 'call_{choice}_{index}' */
  readonly id?: string;
}

/** One choice of a reply. */
export interface ScriptedChoice {
  /** @default '' without tool calls, null with them */
  readonly content?: string | null;
  readonly reasoning?: string;
  readonly refusal?: string;
  readonly toolCalls?: readonly ScriptedToolCall[];
  /** @default 'tool_calls' with tool calls, else 'stop' */
  readonly finishReason?: string;
  /** Replaces the sampled token ids that are made from the text; the last one ends the choice. */
  readonly tokenIds?: readonly number[];
  /** Replaces the log-probabilities, in nats, aligned with the token ids. */
  readonly logprobs?: readonly number[];
}

/** The way in which a reply goes wrong. `afterEvents` counts complete server-sent events, or quarters of a plain body. */
export type ScriptedFault =
  /** An error status; the body is OpenAI's error shape unless given. */
  | {
      readonly type: 'status';
      readonly status: number;
      readonly message?: string;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
    }
  /** The connection is destroyed before any byte. */
  | { readonly type: 'reset' }
  /** The connection is destroyed after part of the body. */
  | { readonly type: 'cut'; readonly afterEvents: number }
  /** The body ends cleanly but too early: half a JSON document, or a stream without its end. */
  | { readonly type: 'truncate'; readonly afterEvents: number }
  /** The right body under another content type, or another body. */
  | { readonly type: 'content-type'; readonly contentType: string; readonly body?: string }
  /** Nothing more comes, and the connection stays open. 0 events: not even the headers. */
  | { readonly type: 'stall'; readonly afterEvents: number }
  /** A stream that repeats its second event until the client goes away. */
  | { readonly type: 'endless' };

/** The server's answer to one call. Instead of one, a bare string is the content of its only choice. */
export interface ScriptedReply extends ScriptedChoice {
  /** Several choices; the reply's own choice fields are then ignored. */
  readonly choices?: readonly ScriptedChoice[];
  /** @default 'chatcmpl-{index of the call}' */
  readonly id?: string;
  /** @default the request's model */
  readonly model?: string;
  /** Replaces the prompt ids that are made from the messages. */
  readonly promptTokenIds?: readonly number[];
  /** Merged over the counted usage. */
  readonly usage?: { readonly [key: string]: JsonValue };
  /** True when token ids are sent where they are asked for. @default true */
  readonly reportsTokens?: boolean;
  /** True when usage is sent. @default true */
  readonly reportsUsage?: boolean;
  /** Tokens in each chunk of a stream, used in turn. @default [1] */
  readonly chunkTokens?: readonly number[];
  /** Writes the body in slices of so many bytes, wherever they fall. */
  readonly writeBytes?: number;
  /** The wait before the first byte, in milliseconds. */
  readonly delayMs?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Replaces every JSON payload at last: the whole reply (index 0), or each chunk of a stream. */
  readonly rewrite?: (payload: Record<string, unknown>, index: number) => Record<string, unknown>;
  readonly fault?: ScriptedFault;
}
