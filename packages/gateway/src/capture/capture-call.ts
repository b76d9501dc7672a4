import {
  attributeNames as names,
  type Attributes,
  type AttributeValue,
  type PolicySnapshot,
  type TokenBlob,
} from '@agent-lightning/core';
import { type SpanStatus, storeLimits } from '@agent-lightning/store';
import type { OpenSpan, TraceRecorder } from '@agent-lightning/tracing';
import type { CallOutcome } from '../calls/answer-call.ts';
import { checkReply, type Untrainable } from './check-reply.ts';
import type { ModelRequest } from '../request/model-request.ts';
import type { ReplyChoice } from '../reply/model-reply.ts';
import type { RuledRequest } from './sampling-rules.ts';
import { shownUrl } from '../http/shown-url.ts';
import { isOutage } from '../upstream/upstream-error.ts';
import type { DialectName } from '../dialects/dialect.ts';
import type { Caller } from './caller.ts';

/** A call of an attempt that is being captured. */
export interface CapturedCall {
  readonly recorder: TraceRecorder;
  readonly caller: Caller;
  readonly dialect: DialectName;
  /** The policy's name; undefined for a model of the user's own. */
  readonly policy: string | undefined;
  readonly snapshot: PolicySnapshot;
  readonly ruled: RuledRequest;
  /** The time after which a call that goes on is stored before it ends. */
  readonly announceAfterMs: number;
  /** Gets the bytes that the request puts into the store, before anything of it is; it may throw. */
  readonly onStart: (bytes: number) => void;
  /** Gets the bytes that the reply adds. */
  readonly onEnd: (bytes: number) => void;
}

/** Ends the spans of a call, and returns why it must not be trained on, if so. */
export type EndCapture = (outcome: CallOutcome) => Untrainable | undefined;

type Draft = Record<string, AttributeValue>;

function addWhen(attributes: Draft, name: string, value: AttributeValue | undefined): void {
  if (value !== undefined && !(Array.isArray(value) && value.length === 0)) attributes[name] = value;
}

function charactersOf(value: AttributeValue): number {
  if (typeof value === 'string') return value.length;
  return Array.isArray(value) ? value.reduce<number>((sum, item) => sum + String(item).length, 0) : 8;
}

/** The bytes that a span is taken to cost besides its texts and tokens. */
const spanBytes = 1_024;

function storedBytes(attributes: Attributes, tokens?: TokenBlob): number {
  const texts = Object.values(attributes).reduce<number>((sum, value) => sum + charactersOf(value), 0);
  if (tokens === undefined) return texts;
  return texts + tokens.prompt.byteLength + tokens.response.byteLength + tokens.logprobs.byteLength;
}

/** Leaves out, by name, attributes that are too large for a store, such as a prompt with many megabytes of images: the call and its training go on. */
function fitting(attributes: Draft, before: Attributes = {}): Attributes {
  const isTooLong = ([, value]: [string, AttributeValue]): boolean =>
    charactersOf(value) > storeLimits.attributeCharacters;
  const tooLong = Object.entries(attributes).filter(isTooLong);
  if (tooLong.length === 0) return attributes;
  const omitted = [...((before[names.omitted] ?? []) as readonly string[]), ...tooLong.map(([name]) => name)];
  const kept = Object.entries(attributes).filter((entry) => !isTooLong(entry));
  return { ...Object.fromEntries(kept), [names.omitted]: omitted };
}

/** Returns the server that answered, or the first that was to be asked. */
function upstreamOf(snapshot: PolicySnapshot, answered: URL | undefined): string {
  if (snapshot.kind === 'engine') return 'embedded';
  return shownUrl(answered ?? snapshot.baseUrl).replace(/\/(?:chat\/)?completions$/u, '');
}

/** Returns the name by which a server was asked for its model. */
function askedModel(snapshot: PolicySnapshot): string | undefined {
  return snapshot.kind === 'openai' ? snapshot.model : undefined;
}

function operationOf({ input }: ModelRequest): string {
  return input.kind === 'chat' ? 'chat' : 'text_completion';
}

/** Returns a request's input as messages: a prompt to continue becomes a user's message, token ids stay as they are. */
function inputMessages({ input }: ModelRequest): readonly unknown[] {
  if (input.kind === 'chat') return input.messages;
  return [
    { role: 'user', content: typeof input.prompt === 'string' ? input.prompt : JSON.stringify([...input.prompt]) },
  ];
}

function requestAttributes({ caller, dialect, policy, snapshot, ruled }: CapturedCall, request: ModelRequest): Draft {
  const attributes: Draft = {
    [names.source]: 'gateway',
    [names.operationName]: operationOf(request),
    [names.providerName]: 'agentlightning',
    [names.dialect]: dialect,
    [names.requestModel]: request.model,
    [names.requestStream]: request.view.stream,
    ...(policy === undefined ? {} : { [names.policy]: policy, [names.policyVersion]: snapshot.version }),
  };
  addWhen(attributes, names.upstreamModel, askedModel(snapshot));
  addWhen(attributes, names.agentNames, caller.agentNames);
  addWhen(attributes, names.requestTemperature, request.temperature);
  addWhen(attributes, names.requestMaxTokens, request.maxTokens);
  addWhen(attributes, names.requestSeed, request.seed);
  addWhen(attributes, names.requestTopP, request.topP);
  addWhen(attributes, names.requestChoices, request.choices > 1 ? request.choices : undefined);
  addWhen(attributes, names.samplingRules, ruled.rules);
  addWhen(attributes, names.structuredOutput, ruled.structuredOutput);
  return attributes;
}

/** Returns what a call stores once, however many choices it has. */
function promptAttributes(request: ModelRequest): Draft {
  const attributes: Draft = { [names.inputMessages]: JSON.stringify(inputMessages(request)) };
  addWhen(attributes, names.requestStopSequences, request.stop);
  const tools = request.body['tools'];
  addWhen(
    attributes,
    names.toolDefinitions,
    Array.isArray(tools) && tools.length > 0 ? JSON.stringify(tools) : undefined,
  );
  return attributes;
}

function untrainableOf(outcome: CallOutcome, ruled: RuledRequest): Untrainable | undefined {
  if (outcome.status !== 'ok')
    return { kind: outcome.status, reason: `${outcome.status}: ${outcome.error?.message ?? 'the reply did not end'}` };
  if (ruled.untrainable !== undefined) return ruled.untrainable;
  return checkReply(outcome.reply);
}

/** Returns the tokens of a choice. A server tells the sum of a reply alone: where it sent no tokens by which to part it, the first choice has it whole. */
function countOutput({ reply }: CallOutcome, { tokens }: ReplyChoice, index: number): number | undefined {
  if (reply.choices.length === 1) return reply.usage?.outputTokens ?? tokens?.length;
  const isWhole = index === 0 && reply.choices.every((choice) => choice.tokens === undefined);
  return isWhole ? reply.usage?.outputTokens : tokens?.length;
}

function choiceAttributes(
  snapshot: PolicySnapshot,
  outcome: CallOutcome,
  choice: ReplyChoice,
  index: number,
  untrainable: Untrainable | undefined,
): Draft {
  const { reply, error } = outcome;
  const attributes: Draft = { [names.upstream]: upstreamOf(snapshot, outcome.upstream) };
  addWhen(attributes, names.responseId, reply.id);
  addWhen(
    attributes,
    names.responseModel,
    reply.model ?? (outcome.status === 'failed' ? undefined : askedModel(snapshot)),
  );
  addWhen(attributes, names.choiceIndex, reply.choices.length > 1 ? index : undefined);
  addWhen(attributes, names.finishReasons, choice.finishReason === undefined ? undefined : [choice.finishReason]);
  addWhen(attributes, names.inputTokens, reply.usage?.inputTokens ?? reply.promptIds?.length);
  addWhen(attributes, names.outputTokens, countOutput(outcome, choice, index));
  addWhen(attributes, names.cachedTokens, reply.usage?.cachedTokens);
  addWhen(attributes, names.outputMessages, outcome.status === 'failed' ? undefined : JSON.stringify([choice.message]));
  addWhen(attributes, names.timeToFirstTokenMs, outcome.timeToFirstTokenMs);
  addWhen(attributes, names.retries, outcome.retries > 0 ? outcome.retries : undefined);
  addWhen(attributes, names.incomplete, outcome.status === 'incomplete' ? true : undefined);
  addWhen(attributes, names.errorType, error?.replyCode);
  addWhen(attributes, names.outage, isOutage(error) ? true : undefined);
  addWhen(attributes, names.untrainable, untrainable?.reason);
  return attributes;
}

/** Returns the tokens to store: whenever they are consistent in themselves, trainable or not. */
function blobOf(outcome: CallOutcome, choice: ReplyChoice): TokenBlob | undefined {
  const { promptIds, malformed } = outcome.reply;
  if (
    malformed !== undefined ||
    promptIds === undefined ||
    choice.tokens === undefined ||
    promptIds.length + choice.tokens.length > storeLimits.tokensPerSpan ||
    choice.tokens.length !== choice.logprobs?.length
  )
    return undefined;
  return { prompt: promptIds, response: choice.tokens, logprobs: choice.logprobs };
}

const noIds = new Int32Array(0);

/** The reason that a call carries until its end is stored. */
const noEnd = 'the call did not end: it still goes on, or its gateway was killed';

/** Stores the spans as they stand, so that a gateway that is killed leaves the call behind. */
function announce(spans: readonly OpenSpan[]): void {
  for (const [index, span] of spans.entries()) {
    const attributes: Draft = { [names.incomplete]: true, [names.untrainable]: `incomplete: ${noEnd}` };
    addWhen(attributes, names.choiceIndex, spans.length > 1 ? index : undefined);
    span.announce({ status: { code: 'error', message: noEnd }, attributes });
  }
}

/** Opens the spans of a call, one for each choice, as it is admitted. */
export function captureCall(call: CapturedCall): EndCapture {
  const { recorder, caller, ruled, announceAfterMs } = call;
  const request = requestAttributes(call, ruled.request);
  const attributes = fitting({ ...request, ...promptAttributes(ruled.request) });
  const parentSpanId = caller.trace?.traceId === recorder.traceId ? caller.trace.spanId : undefined;
  const start = {
    kind: 'model_call' as const,
    name: `${operationOf(ruled.request)} ${ruled.request.model}`,
    attributes,
    ...(parentSpanId === undefined ? {} : { parentSpanId }),
  };
  const { choices } = ruled.request;
  call.onStart(storedBytes(attributes) + (choices - 1) * storedBytes(request) + choices * spanBytes);
  const first = recorder.start(start);
  const rest = { ...start, attributes: fitting({ ...request, [names.promptSpan]: first.spanId }) };
  const spans: OpenSpan[] = [first, ...Array.from({ length: choices - 1 }, () => recorder.start(rest))];
  // Most calls end before and are written once: an announcement costs a second write of the whole prompt.
  const timer = announceAfterMs === 0 ? undefined : setTimeout(() => announce(spans), announceAfterMs);
  if (timer === undefined) announce(spans);
  return (outcome) => {
    clearTimeout(timer);
    const untrainable = untrainableOf(outcome, ruled);
    const status: SpanStatus =
      outcome.error === undefined ? { code: 'ok' } : { code: 'error', message: outcome.error.message };
    const hasPrompt = outcome.reply.choices[0] !== undefined && blobOf(outcome, outcome.reply.choices[0]) !== undefined;
    for (const [index, span] of spans.entries()) {
      const choice = outcome.reply.choices[index];
      if (choice === undefined) continue;
      const tokens = blobOf(outcome, choice);
      const before = index === 0 ? attributes : rest.attributes;
      const kept = tokens !== undefined && index > 0 && hasPrompt ? { ...tokens, prompt: noIds } : tokens;
      const said = fitting(choiceAttributes(call.snapshot, outcome, choice, index, untrainable), before);
      call.onEnd(storedBytes(said, kept));
      span.end({ status, attributes: said, ...(kept === undefined ? {} : { tokens: kept }) });
    }
    return untrainable;
  };
}
