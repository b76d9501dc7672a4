import type { ChatMessage } from '@agent-lightning/core';
import type { JsonObject } from '../http/read-body.ts';
import { invalidField } from '../http/wire-error.ts';

/** A chat-completions request whose known fields are checked. */
export interface ChatRequest {
  /** The whole body, with the fields that only an upstream understands. */
  readonly body: JsonObject;
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  readonly choices: number;
  readonly temperature: number | undefined;
  readonly topP: number | undefined;
  readonly maxTokens: number | undefined;
  readonly seed: number | undefined;
  readonly stop: readonly string[];
  /** What the agent asked to see. */
  readonly view: ReplyView;
}

/** Which form of the reply the agent asked for, and which extras. */
export interface ReplyView {
  readonly stream: boolean;
  readonly usage: boolean;
  readonly logprobs: boolean;
  readonly tokenIds: boolean;
}

/** Null is how some clients write an absent field. */
function present(body: JsonObject, field: string): unknown {
  return Object.hasOwn(body, field) ? (body[field] ?? undefined) : undefined;
}

function booleanField(body: JsonObject, field: string): boolean {
  const value = present(body, field) ?? false;
  if (typeof value !== 'boolean') throw invalidField(field, `must be true or false, not ${shown(value)}`);
  return value;
}

function numberField(
  body: JsonObject,
  field: string,
  low: number,
  high: number,
  isInteger: boolean,
): number | undefined {
  const value = present(body, field);
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !(value >= low && value <= high) || (isInteger && !Number.isInteger(value))) {
    throw invalidField(
      field,
      `must be ${isInteger ? 'an integer' : 'a number'} from ${low} to ${high}, not ${shown(value)}`,
    );
  }
  return value;
}

function shown(value: unknown): string {
  if (typeof value === 'number') return String(value);
  const text = Array.isArray(value)
    ? 'a list'
    : typeof value === 'object'
      ? 'an object'
      : (JSON.stringify(value) ?? typeof value);
  return text.slice(0, 60);
}

function stopField(body: JsonObject): readonly string[] {
  const value = present(body, 'stop') ?? [];
  const list: unknown[] = Array.isArray(value) ? value : [value];
  if (list.length > 16 || !list.every((text) => typeof text === 'string' && text !== '')) {
    throw invalidField('stop', 'must be a text or at most 16 texts, none of them empty');
  }
  return list as string[];
}

function messagesField(body: JsonObject): readonly ChatMessage[] {
  const value = present(body, 'messages');
  if (!Array.isArray(value) || value.length === 0)
    throw invalidField('messages', 'must be a list with at least one message');
  for (const [index, message] of value.entries()) {
    if (typeof message !== 'object' || message === null || Array.isArray(message))
      throw invalidField(`messages[${index}]`, `must be an object, not ${shown(message)}`);
    if (typeof (message as JsonObject)['role'] !== 'string')
      throw invalidField(`messages[${index}].role`, 'must be a text such as "user"');
  }
  return value as ChatMessage[];
}

function viewOf(body: JsonObject): ReplyView {
  const options = present(body, 'stream_options') ?? {};
  if (typeof options !== 'object' || Array.isArray(options)) throw invalidField('stream_options', 'must be an object');
  return {
    stream: booleanField(body, 'stream'),
    usage: booleanField(options as JsonObject, 'include_usage'),
    logprobs: booleanField(body, 'logprobs'),
    tokenIds: booleanField(body, 'return_token_ids'),
  };
}

/** Checks the fields that the gateway itself reads. @throws {WireError} `request-invalid`, naming the field */
export function parseChatRequest(body: JsonObject): ChatRequest {
  const model = present(body, 'model');
  if (typeof model !== 'string' || model === '') throw invalidField('model', 'must be the name of a model');
  const limit = Number.MAX_SAFE_INTEGER;
  return {
    body,
    model,
    messages: messagesField(body),
    choices: numberField(body, 'n', 1, 128, true) ?? 1,
    temperature: numberField(body, 'temperature', 0, 2, false),
    topP: numberField(body, 'top_p', 0, 1, false),
    maxTokens:
      numberField(body, 'max_completion_tokens', 1, limit, true) ?? numberField(body, 'max_tokens', 1, limit, true),
    seed: numberField(body, 'seed', -limit, limit, true),
    stop: stopField(body),
    view: viewOf(body),
  };
}
