import type { JsonObject } from '../http/read-body.ts';
import type { ModelRequest, ReplyView } from '../request/model-request.ts';
import type { ReplyDraft } from '../reply/model-reply.ts';

/** An object that may be changed: payloads are stripped in place, for they are ours alone once parsed. */
export type Payload = Record<string, unknown>;

/** The format of requests and replies on an upstream's route. */
export interface ReplyFormat {
  /** The path under the upstream's base URL. */
  readonly path: '/chat/completions' | '/completions';
  /** Returns the fields that make the upstream report ids and log-probabilities. */
  captureFields(request: ModelRequest): JsonObject;
  /** Feeds the draft from one choice of a whole reply, or of one chunk of a stream. */
  readChoice(choice: JsonObject, index: number, draft: ReplyDraft, isStream: boolean): void;
}

export function isPayload(value: unknown): value is Payload {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Tells whether a value is a list, from JSON or read straight from the bytes. */
function isList(value: unknown): value is ArrayLike<number> {
  return Array.isArray(value) || value instanceof Int32Array;
}

function readUsage(payload: JsonObject, draft: ReplyDraft): void {
  const usage = payload['usage'];
  if (!isPayload(usage)) return;
  const { prompt_tokens: input, completion_tokens: output } = usage;
  if (typeof input === 'number' && typeof output === 'number')
    draft.usage = { inputTokens: input, outputTokens: output, ...readCached(usage['prompt_tokens_details']) };
}

/** Reads the tokens that were read from a cache out of the details of a usage. */
export function readCached(details: unknown): { readonly cachedTokens?: number } {
  const cached = isPayload(details) ? details['cached_tokens'] : undefined;
  return typeof cached === 'number' && cached > 0 ? { cachedTokens: cached } : {};
}

/** Returns the index of a choice among those that were asked for. */
export function indexOf(choice: JsonObject): number {
  return typeof choice['index'] === 'number' ? choice['index'] : 0;
}

function readChoice(choice: JsonObject, draft: ReplyDraft, format: ReplyFormat, isStream: boolean): void {
  const index = indexOf(choice);
  const target = draft.choice(index);
  if (target === undefined)
    return draft.markMalformed(`the upstream answered choice ${index}, which was not asked for`);
  if (isList(choice['prompt_token_ids'])) draft.setPrompt(choice['prompt_token_ids']);
  format.readChoice(choice, index, draft, isStream);
  const ids = choice['token_ids'];
  if (isList(ids)) {
    if (ids instanceof Int32Array) draft.adoptTokens(index, ids);
    else draft.addTokens(index, ids);
    draft.markFirstToken();
  }
  if (typeof choice['finish_reason'] === 'string') target.finishReason = choice['finish_reason'];
  return undefined;
}

/** Feeds the draft from a whole reply or one chunk of a stream. */
export function readPayload(payload: JsonObject, draft: ReplyDraft, format: ReplyFormat, isStream: boolean): void {
  if (typeof payload['id'] === 'string') draft.id ??= payload['id'];
  if (typeof payload['model'] === 'string') draft.model ??= payload['model'];
  if (isList(payload['prompt_token_ids'])) draft.setPrompt(payload['prompt_token_ids']);
  readUsage(payload, draft);
  const choices = payload['choices'];
  if (Array.isArray(choices))
    for (const choice of choices) if (isPayload(choice)) readChoice(choice, draft, format, isStream);
}

/** Returns the choice of a payload that has just one. */
export function onlyChoice(payload: JsonObject): Payload | undefined {
  const choices = payload['choices'];
  const choice: unknown = Array.isArray(choices) && choices.length === 1 ? choices[0] : undefined;
  return isPayload(choice) ? choice : undefined;
}

/** Takes out what the gateway asked for and the agent did not. */
export function stripPayload(payload: Payload, view: ReplyView): void {
  if (!view.tokenIds) delete payload['prompt_token_ids'];
  const choices = payload['choices'];
  if (!Array.isArray(choices)) return;
  for (const choice of choices) {
    if (!isPayload(choice)) continue;
    if (!view.tokenIds) {
      delete choice['token_ids'];
      delete choice['prompt_token_ids'];
    }
    if (!view.logprobs && 'logprobs' in choice) choice['logprobs'] = null;
  }
}

/** Tells whether a chunk is for the agent: the usage chunk is, only if the agent asked for it. */
export function isForAgent(payload: JsonObject, view: ReplyView): boolean {
  const choices = payload['choices'];
  return !Array.isArray(choices) || choices.length > 0 || view.usage;
}
