import {
  agentSpan,
  answerAttributes,
  modelCallSpan,
  toolOutcome,
  toolSpan,
  type FrameworkRun,
  type SpanOutcome,
  storeLimits,
} from '@agent-lightning/tracing';
import { attributeNames } from '@agent-lightning/core';

/** Tells the runs that begin inside a run what it is. */
export interface RunDetail {
  readonly kind: 'agent' | 'operation' | 'model' | 'tool';
  /** The names of the agents around and of this one, outermost first, with slashes between. */
  readonly path: string;
  /** The call id of the operation that an agent runs on. */
  operation?: string;
  /** Tells whether the agent is an operation that a wrapped model was given to: models that nobody wrapped are none of its own. */
  readonly isOfModel?: boolean;
  /** The id of the agent's run, for an operation that an agent runs on. */
  readonly agentId?: string;
  /** Tells whether a wrapped model has decided where a model call goes. */
  isPlaced?: boolean;
  /** Tells whether a selected model call went where the policy answers. */
  isRedirected?: boolean;
}

/** Returns the name of a span for a text of an event: undefined when there is none, and cut where it is too long. */
export function spanName(text: string | undefined): string | undefined {
  return text === undefined || text === '' ? undefined : text.slice(0, storeLimits.nameCharacters);
}

/** Describes the run of an agent called `name`; `more` are further names that it goes by. */
export function agentRun(
  name: string,
  parent: RunDetail | undefined,
  more: readonly string[] = [],
): FrameworkRun<RunDetail> {
  const path = parent === undefined ? name : `${parent.path}/${name}`;
  const names = [...new Set([name, path, ...more])];
  return { span: agentSpan(name, names), names, detail: { kind: 'agent', path } };
}

/** Holds what the AI SDK says when a model is called. */
export interface ModelCallEvent {
  readonly modelId?: unknown;
  readonly temperature?: unknown;
}

export function modelRun(names: readonly string[], path: string, event: ModelCallEvent): FrameworkRun<RunDetail> {
  const span = modelCallSpan({ names, model: event.modelId, temperature: event.temperature });
  return { span, detail: { kind: 'model', path } };
}

/** Holds what the AI SDK says when a model has answered. */
export interface ModelAnswerEvent {
  readonly responseId?: unknown;
  readonly modelId?: unknown;
  readonly finishReason?: unknown;
  readonly usage?: AnsweredUsage | undefined;
}

/** The usage of events, and that of models of every version. */
interface AnsweredUsage {
  readonly inputTokens?: unknown;
  readonly outputTokens?: unknown;
  readonly cachedInputTokens?: unknown;
  readonly inputTokenDetails?: { readonly cacheReadTokens?: unknown } | undefined;
}

/** The id that the AI SDK makes up for an answer that has none. */
const inventedId = /^aitxt-/;

/** Returns the outcome of a model call. `names` are the caller's as they are at the end: a wrapped model adds its own after the call has begun. */
export function modelOutcome(event: ModelAnswerEvent, names: readonly string[]): SpanOutcome {
  const { responseId, modelId, finishReason, usage } = event;
  return {
    attributes: {
      ...answerAttributes({
        responseId: typeof responseId === 'string' && inventedId.test(responseId) ? undefined : responseId,
        model: modelId,
        // A string in the events and in older models, an object in a model of version 4.
        finishReason: unwrap(finishReason, 'unified'),
        inputTokens: unwrap(usage?.inputTokens, 'total'),
        outputTokens: unwrap(usage?.outputTokens, 'total'),
        cachedTokens: cachedOf(usage),
      }),
      [attributeNames.agentNames]: names,
    },
  };
}

function cachedOf({ inputTokens, inputTokenDetails, cachedInputTokens }: AnsweredUsage = {}): unknown {
  if (typeof inputTokens === 'object') return unwrap(inputTokens, 'cacheRead');
  return inputTokenDetails?.cacheReadTokens ?? cachedInputTokens;
}

function unwrap(value: unknown, field: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[field] : value;
}

/** The AI SDK's tool call, of a tool that is known or not. */
export interface ToolCallEvent {
  readonly toolCallId?: string;
  readonly toolName?: string;
  readonly input?: unknown;
}

export function toolRun(call: ToolCallEvent, path: string): FrameworkRun<RunDetail> {
  const { toolName, input, toolCallId } = call;
  return {
    span: toolSpan({ name: spanName(toolName) ?? 'tool', arguments: input, callId: toolCallId }),
    detail: { kind: 'tool', path },
  };
}

/** Returns the outcome of a tool that did not throw. */
export function toolResult(output: unknown): SpanOutcome {
  return toolOutcome(output);
}
