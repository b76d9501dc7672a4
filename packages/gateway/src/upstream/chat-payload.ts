import type { JsonObject } from '../http/read-body.ts';
import type { ReplyView } from '../chat/chat-request.ts';
import type { ReplyDraft } from '../chat/model-reply.ts';

/** An object that may be changed: payloads are stripped in place, for they are ours alone once parsed. */
type Payload = Record<string, unknown>;

function isObject(value: unknown): value is Payload {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A list as JSON has it, or as it was read straight from the bytes. */
function isList(value: unknown): value is ArrayLike<number> {
  return Array.isArray(value) || value instanceof Int32Array;
}

function readLogprobs(choice: JsonObject, index: number, draft: ReplyDraft): void {
  const logprobs = choice['logprobs'];
  if (logprobs instanceof Float32Array) return draft.addLogprobs(index, logprobs);
  if (!isObject(logprobs)) return undefined;
  // Sampled refusals are tokens too; engines that fill both lists fill them one after the other.
  for (const list of [logprobs['content'], logprobs['refusal']]) {
    if (Array.isArray(list))
      draft.addLogprobs(
        index,
        list.map((entry: { logprob?: number } | null) => entry?.logprob ?? Number.NaN),
      );
  }
  return undefined;
}

function readChoice(choice: JsonObject, draft: ReplyDraft, isStream: boolean): void {
  const index = typeof choice['index'] === 'number' ? choice['index'] : 0;
  const target = draft.choice(index);
  if (target === undefined)
    return draft.markMalformed(`the upstream answered choice ${index}, which was not asked for`);
  const said = choice[isStream ? 'delta' : 'message'];
  if (isObject(said)) target.message.add(said);
  if (isList(choice['token_ids'])) draft.addTokens(index, choice['token_ids']);
  readLogprobs(choice, index, draft);
  if (typeof choice['finish_reason'] === 'string') target.finishReason = choice['finish_reason'];
  if (isList(choice['token_ids']) || (isObject(said) && hasText(said))) draft.markFirstToken();
  return undefined;
}

function hasText(said: Payload): boolean {
  return (typeof said['content'] === 'string' && said['content'] !== '') || Array.isArray(said['tool_calls']);
}

function readUsage(payload: JsonObject, draft: ReplyDraft): void {
  const usage = payload['usage'];
  if (!isObject(usage)) return;
  const { prompt_tokens: input, completion_tokens: output } = usage as {
    prompt_tokens?: unknown;
    completion_tokens?: unknown;
  };
  if (typeof input === 'number' && typeof output === 'number')
    draft.usage = { inputTokens: input, outputTokens: output };
}

/** Feeds the draft from a whole reply or one chunk of a stream. */
export function readPayload(payload: JsonObject, draft: ReplyDraft, isStream: boolean): void {
  if (typeof payload['id'] === 'string') draft.id ??= payload['id'];
  if (typeof payload['model'] === 'string') draft.model ??= payload['model'];
  if (isList(payload['prompt_token_ids'])) draft.setPrompt(payload['prompt_token_ids']);
  readUsage(payload, draft);
  const choices = payload['choices'];
  if (Array.isArray(choices)) for (const choice of choices) if (isObject(choice)) readChoice(choice, draft, isStream);
}

/** Takes out what the gateway asked for and the agent did not. */
export function stripPayload(payload: Payload, view: ReplyView): void {
  if (!view.tokenIds) delete payload['prompt_token_ids'];
  const choices = payload['choices'];
  if (!Array.isArray(choices)) return;
  for (const choice of choices) {
    if (!isObject(choice)) continue;
    if (!view.tokenIds) delete choice['token_ids'];
    if (!view.logprobs && 'logprobs' in choice) choice['logprobs'] = null;
  }
}

/** Whether a stripped chunk still says anything to the agent: the usage chunk is only for who asked, and so are chunks of ids alone. */
export function isForAgent(payload: JsonObject, view: ReplyView): boolean {
  const choices = payload['choices'];
  return !Array.isArray(choices) || choices.length > 0 || view.usage;
}
