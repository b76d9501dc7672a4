import type { ModelRequest } from '../../request/model-request.ts';
import {
  booleanField,
  integerField,
  modelField,
  numberField,
  present,
  stopField,
  usageField,
} from '../../request/request-fields.ts';
import type { JsonObject } from '../../http/read-body.ts';
import { invalidField } from '../../http/reply-error.ts';

const largestTokenId = 2_147_483_647;

function isTokenIds(value: unknown): value is number[] {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((id: unknown) => Number.isInteger(id) && (id as number) >= 0 && (id as number) <= largestTokenId)
  );
}

/** Returns the one prompt of a request. Several are rejected, because a call's tokens and rewards belong to one prompt. */
function promptField(body: JsonObject): string | Int32Array {
  const value = present(body, 'prompt');
  if (typeof value === 'string' && value !== '') return value;
  if (isTokenIds(value)) return Int32Array.from(value);
  if (Array.isArray(value) && value.length > 1)
    throw invalidField('prompt', 'must be one prompt, a text or its token ids; send one call for each prompt');
  const [only]: readonly unknown[] = Array.isArray(value) ? value : [];
  if (typeof only === 'string' && only !== '') return only;
  if (isTokenIds(only)) return Int32Array.from(only);
  throw invalidField('prompt', 'must be a text, or the token ids of one, and not empty');
}

/** Checks the fields of a text completion that the gateway itself reads. @throws {ReplyError} `request-invalid`, naming the field */
export function parseCompletionRequest(body: JsonObject): ModelRequest {
  const limit = Number.MAX_SAFE_INTEGER;
  if (booleanField(body, 'echo'))
    throw invalidField('echo', 'is not supported: the reply would mix the prompt’s tokens with the sampled ones');
  const choices = integerField(body, 'n', 1, 128) ?? 1;
  if ((integerField(body, 'best_of', 1, 128) ?? choices) !== choices)
    throw invalidField('best_of', 'is not supported: every sampled choice is captured; ask for them with `n`');
  return {
    body,
    model: modelField(body),
    input: { kind: 'completion', prompt: promptField(body) },
    choices,
    temperature: numberField(body, 'temperature', 0, 2),
    topP: numberField(body, 'top_p', 0, 1),
    maxTokens: integerField(body, 'max_tokens', 1, limit),
    seed: integerField(body, 'seed', -limit, limit),
    stop: stopField(body),
    view: {
      stream: booleanField(body, 'stream'),
      usage: usageField(body),
      logprobs: integerField(body, 'logprobs', 0, 20) !== undefined,
      tokenIds: booleanField(body, 'return_token_ids'),
    },
  };
}
