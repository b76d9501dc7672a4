import { attributeNames as names, type JsonValue, type RolloutMode, type Span } from '@agent-lightning/core';
import type { JsonObject } from './agl10-shapes.ts';

/** The choices of calls after their first ones, by the span of the call. */
export type FurtherChoices = ReadonlyMap<unknown, readonly Span[]>;

export interface ModelRequestContext {
  readonly choices: FurtherChoices;
  readonly mode: RolloutMode;
  /** Adds `routed_experts`, which is null: our gateway does not ask for them. */
  readonly hasExperts: boolean;
}

/** Finds, among all spans of an attempt, the further choices of its calls. */
export function furtherChoices(spans: readonly Span[]): FurtherChoices {
  return Map.groupBy(spans, ({ attributes }) => attributes[names.promptSpan]);
}

/** Shows a captured model call as the event that the gateway of Agent Lightning 1.0 records. */
export function toModelRequest(span: Span, { choices, mode, hasExperts }: ModelRequestContext): JsonObject {
  const { attributes, startTimeMs, endTimeMs } = span;
  const usage = usageOf(span);
  return {
    ...answeredBy(span),
    request: requestOf(span, mode),
    response: isFailed(span) ? errorOf(span) : responseOf(span, choices),
    latency_ms: endTimeMs - startTimeMs,
    ...statusOf(span),
    retry_count: numberOf(attributes[names.retries]) ?? 0,
    ...(hasExperts ? { routed_experts: null } : {}),
    usage,
    finish_reason: finishOf(span),
  };
}

/**
 * Shows a captured model call as 1.0's trainer reads it. A call that must not be trained on has no response tokens here, by which the trainer
 * passes it over.
 */
export function toTriplet(span: Span): JsonObject {
  const { tokens, attributes } = span;
  const isTrainable = tokens !== undefined && attributes[names.untrainable] === undefined;
  const { server } = answeredBy(span) as { readonly server: JsonObject };
  return {
    prompt_token_ids: tokens === undefined ? [] : [...tokens.prompt],
    response_token_ids: isTrainable ? [...tokens.response] : [],
    response_log_probs: isTrainable ? [...tokens.logprobs] : null,
    server: { model: server['model'] ?? null, version: server['version'] ?? null },
    ...statusOf(span),
    ...(isFailed(span) ? errorOf(span) : {}),
  };
}

function answeredBy({ attributes }: Span): JsonObject {
  const model = textOf(attributes[names.upstreamModel]) ?? textOf(attributes[names.requestModel]);
  const version = numberOf(attributes[names.policyVersion]) ?? 0;
  const endpoint = textOf(attributes[names.upstream]);
  return { model, model_version: version, server: { model, endpoint, version } };
}

function isFailed({ status, attributes }: Span): boolean {
  return status.code === 'error' || attributes[names.incomplete] === true;
}

function statusOf(span: Span): JsonObject {
  // Which status a failed call had is not kept: the text of its error is.
  return isFailed(span) ? { http_status: null, status: 'error' } : { http_status: 200, status: 'ok' };
}

function errorOf({ status, attributes }: Span): JsonObject {
  return { error: { message: status.message ?? 'the call failed', code: textOf(attributes[names.errorType]) } };
}

function requestOf({ attributes }: Span, mode: RolloutMode): JsonObject {
  const messages = parse(attributes[names.inputMessages]) as readonly JsonObject[];
  const isChat = attributes[names.dialect] !== 'completions';
  const tools =
    attributes[names.toolDefinitions] === undefined ? {} : { tools: parse(attributes[names.toolDefinitions]) };
  const numbers: readonly (readonly [string, JsonValue | undefined])[] = [
    ['temperature', numberOf(attributes[names.requestTemperature])],
    ['max_tokens', numberOf(attributes[names.requestMaxTokens])],
    ['seed', numberOf(attributes[names.requestSeed])],
    ['n', numberOf(attributes[names.requestChoices])],
  ];
  return {
    ...(isChat ? { messages } : { prompt: messages[0]?.['content'] ?? '' }),
    model: textOf(attributes[names.upstreamModel]) ?? textOf(attributes[names.requestModel]),
    ...Object.fromEntries(numbers.filter((entry): entry is [string, JsonValue] => entry[1] !== null)),
    ...tools,
    return_token_ids: true,
    ...(mode === 'train' ? { logprobs: true } : {}),
  };
}

function responseOf(span: Span, further: FurtherChoices): JsonObject {
  const { attributes, endTimeMs, tokens } = span;
  const isChat = attributes[names.dialect] !== 'completions';
  const choices = [span, ...(further.get(span.spanId) ?? [])];
  return {
    id: textOf(attributes[names.responseId]),
    object: isChat ? 'chat.completion' : 'text_completion',
    created: Math.floor(endTimeMs / 1_000),
    model: textOf(attributes[names.responseModel]),
    ...(tokens === undefined ? {} : { prompt_token_ids: [...tokens.prompt] }),
    choices: choices.map((choice, index) => choiceOf(choice, index, isChat)),
    usage: usageOf(span),
  };
}

function choiceOf(span: Span, index: number, isChat: boolean): JsonObject {
  const [message] = parse(span.attributes[names.outputMessages]) as readonly JsonObject[];
  const content = [...(span.tokens?.logprobs ?? [])].map((logprob) => ({
    token: '',
    logprob,
    bytes: null,
    top_logprobs: [],
  }));
  const logprobs = span.tokens === undefined ? null : { content };
  return {
    index,
    ...(isChat ? { message: message ?? null } : { text: message?.['content'] ?? '' }),
    finish_reason: finishOf(span),
    token_ids: span.tokens === undefined ? null : [...span.tokens.response],
    logprobs,
  };
}

function usageOf({ attributes }: Span): JsonObject | null {
  const [input, output] = [numberOf(attributes[names.inputTokens]), numberOf(attributes[names.outputTokens])];
  if (input === null || output === null) return null;
  return { prompt_tokens: input, completion_tokens: output, total_tokens: input + output };
}

function finishOf({ attributes }: Span): string | null {
  const reasons = attributes[names.finishReasons];
  return Array.isArray(reasons) && typeof reasons[0] === 'string' ? reasons[0] : null;
}

function parse(text: unknown): JsonValue {
  return typeof text === 'string' ? (JSON.parse(text) as JsonValue) : [];
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}
