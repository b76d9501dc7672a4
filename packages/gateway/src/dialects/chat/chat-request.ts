import type { ChatMessage } from '@agent-lightning/core';
import type { JsonObject } from '../../http/read-body.ts';
import { invalidField } from '../../http/reply-error.ts';
import type { ModelRequest } from '../../request/model-request.ts';
import {
  booleanField,
  integerField,
  isObject,
  modelField,
  numberField,
  present,
  shown,
  stopField,
  usageField,
} from '../../request/request-fields.ts';

function messagesField(body: JsonObject): readonly ChatMessage[] {
  const value = present(body, 'messages');
  if (!Array.isArray(value) || value.length === 0)
    throw invalidField('messages', 'must be a list with at least one message');
  for (const [index, message] of value.entries()) {
    if (!isObject(message)) throw invalidField(`messages[${index}]`, `must be an object, not ${shown(message)}`);
    if (typeof message['role'] !== 'string')
      throw invalidField(`messages[${index}].role`, 'must be a text such as "user"');
  }
  return value as ChatMessage[];
}

/** Checks the fields of a chat that the gateway itself reads. @throws {ReplyError} `request-invalid`, naming the field */
export function parseChatRequest(body: JsonObject): ModelRequest {
  const limit = Number.MAX_SAFE_INTEGER;
  return {
    body,
    model: modelField(body),
    input: { kind: 'chat', messages: messagesField(body) },
    choices: integerField(body, 'n', 1, 128) ?? 1,
    temperature: numberField(body, 'temperature', 0, 2),
    topP: numberField(body, 'top_p', 0, 1),
    maxTokens: integerField(body, 'max_completion_tokens', 1, limit) ?? integerField(body, 'max_tokens', 1, limit),
    seed: integerField(body, 'seed', -limit, limit),
    stop: stopField(body),
    view: {
      stream: booleanField(body, 'stream'),
      usage: usageField(body),
      logprobs: booleanField(body, 'logprobs'),
      tokenIds: booleanField(body, 'return_token_ids'),
    },
  };
}
