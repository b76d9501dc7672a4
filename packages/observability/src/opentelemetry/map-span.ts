/**
 * Maps spans of a rollout to spans of OpenTelemetry, by the semantic conventions for generative AI, version 0.1.0
 * (open-telemetry/semantic-conventions-genai).
 */
import { attributeNames as names, readReward, type AttributeValue, type Span } from '@agent-lightning/core';
import { mapMessages } from './map-messages.ts';

/** A span as a tracer takes it. */
export interface MappedSpan {
  readonly name: string;
  /** True for a call that leaves this process: a model call. */
  readonly isClient: boolean;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  /** Undefined for a span that did not fail; otherwise the message, which is a text, and so may be left out. */
  readonly error: { readonly message: string | undefined } | undefined;
}

type Draft = Record<string, AttributeValue>;

/** Attributes that say names, counts, times and codes, and are kept as they are; no other is, but for texts that were asked for. */
const plainAttributes: ReadonlySet<string> = new Set([
  names.operationName,
  names.providerName,
  names.requestModel,
  names.requestTemperature,
  names.requestMaxTokens,
  names.requestSeed,
  names.requestStream,
  names.requestChoices,
  names.requestTopP,
  names.responseId,
  names.responseModel,
  names.finishReasons,
  names.inputTokens,
  names.outputTokens,
  names.cachedTokens,
  names.errorType,
  names.toolName,
  names.toolCallId,
  names.agentName,
  names.source,
  names.dialect,
  names.agentNames,
  names.agentSelected,
  names.policy,
  names.policyVersion,
  names.choiceIndex,
  names.samplingRules,
  names.structuredOutput,
  names.incomplete,
  names.retries,
  names.outage,
  names.outsideHost,
  names.outsideCalls,
  names.objectType,
  names.operationLabel,
  names.commandExitCode,
  names.commandSignal,
  names.rewardScope,
  names.exceptionType,
]);

/** Texts in the form of the store, which is not that of the conventions. */
const messageAttributes: readonly string[] = [names.inputMessages, names.outputMessages];

/** Returns the span as a tracer takes it. Token ids never are in it; texts are with `content`. */
export function mapSpan(span: Span, content: boolean): MappedSpan {
  const attributes: Draft = { ...keepAttributes(span, content), ...ownAttributes(span, content) };
  const isError = span.status.code === 'error' || span.kind === 'exception';
  if (isError) attributes[names.errorType] ??= attributes[names.exceptionType] ?? '_OTHER';
  return {
    name: nameOf(span),
    isClient: span.kind === 'model_call',
    attributes,
    error: isError ? { message: content ? span.status.message : undefined } : undefined,
  };
}

function keepAttributes(span: Span, content: boolean): Draft {
  const kept: Draft = {};
  for (const [name, value] of Object.entries(span.attributes)) {
    if (plainAttributes.has(name) || (content && !messageAttributes.includes(name))) kept[name] = value;
  }
  return kept;
}

/** Returns what the conventions want and the store does not have in this form. */
function ownAttributes(span: Span, content: boolean): Draft {
  if (span.kind === 'model_call') return callAttributes(span, content);
  if (span.kind === 'tool_call') return { [names.operationName]: 'execute_tool', [names.toolName]: toolNameOf(span) };
  if (span.kind === 'agent') return { [names.operationName]: 'invoke_agent', [names.agentName]: agentNameOf(span) };
  return span.kind === 'reward' ? evaluationAttributes(span, content) : {};
}

function callAttributes(span: Span, content: boolean): Draft {
  const { attributes } = span;
  const draft: Draft = {
    [names.operationName]: operationOf(span),
    [names.providerName]: text(attributes[names.providerName]) ?? 'unknown',
  };
  const agents = attributes[names.agentNames];
  const agent = text(attributes[names.agentName]) ?? (Array.isArray(agents) ? text(agents[0]) : undefined);
  if (agent !== undefined) draft[names.agentName] = agent;
  const firstTokenMs = attributes[names.timeToFirstTokenMs];
  if (typeof firstTokenMs === 'number' && attributes[names.requestStream] === true)
    draft['gen_ai.response.time_to_first_chunk'] = firstTokenMs / 1_000;
  for (const name of content ? messageAttributes : []) {
    const mayBeTokens = name === names.inputMessages && operationOf(span) === 'text_completion';
    const mapped = mapMessages(attributes[name], attributes[names.finishReasons], mayBeTokens);
    if (mapped !== undefined) draft[name] = mapped;
  }
  return { ...draft, ...serverAttributes(text(attributes[names.upstream])) };
}

function serverAttributes(upstream: string | undefined): Draft {
  if (upstream === undefined || !URL.canParse(upstream)) return {};
  const { hostname, port, protocol } = new URL(upstream);
  return {
    'server.address': hostname,
    'server.port': port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port),
  };
}

function evaluationAttributes(span: Span, content: boolean): Draft {
  const draft: Draft = {};
  try {
    const reward = readReward(span);
    const [primary] = reward?.dimensions ?? [];
    if (reward === undefined || primary === undefined) return draft;
    draft['gen_ai.evaluation.name'] = primary.name;
    draft['gen_ai.evaluation.score.value'] = primary.value;
    for (const { name, value } of reward.dimensions) draft[`agentlightning.reward.${name}`] = value;
    if (content && reward.feedback !== undefined) draft['gen_ai.evaluation.explanation'] = reward.feedback;
  } catch {
    draft[names.errorType] = 'reward-invalid'; // of another writer; the run counts it
  }
  return draft;
}

function nameOf(span: Span): string {
  if (span.kind === 'tool_call') return `execute_tool ${toolNameOf(span)}`;
  if (span.kind === 'agent') return `invoke_agent ${agentNameOf(span)}`;
  if (span.kind !== 'model_call') return span.name;
  const model = text(span.attributes[names.requestModel]);
  return model === undefined ? operationOf(span) : `${operationOf(span)} ${model}`;
}

function operationOf(span: Span): string {
  return text(span.attributes[names.operationName]) ?? 'chat';
}

function toolNameOf(span: Span): string {
  return text(span.attributes[names.toolName]) ?? span.name;
}

function agentNameOf(span: Span): string {
  return text(span.attributes[names.agentName]) ?? span.name;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
