import { attributeNames, type AttributeValue } from '@agent-lightning/core';
import { capText, describeValue } from '../writing/attribute-values.ts';
import type { SpanOutcome, StartSpan } from '../writing/trace-recorder.ts';

/** A span as a framework reports it; its place in the trace is found when it begins. */
export type FrameworkSpan = Omit<StartSpan, 'parentSpanId' | 'spanId'>;

/** Returns the span of an agent, a node or a workflow step that runs. `names` are all that `agentMatch` is tested against, most specific first. */
export function agentSpan(name: string, names: readonly string[]): FrameworkSpan {
  return {
    kind: 'agent',
    name,
    attributes: {
      [attributeNames.source]: 'framework',
      [attributeNames.agentName]: name,
      [attributeNames.agentNames]: names,
    },
  };
}

/**
 * Returns the span with the name of what it executes. When a later span has the same name, and this one does not end well, the answers
 * inside this one were thrown away, and are not trained on.
 * @param execution unique in the rollout; undefined for what is never executed again
 */
export function markExecution(span: FrameworkSpan, execution: string | undefined): FrameworkSpan {
  if (execution === undefined) return span;
  return { ...span, attributes: { ...span.attributes, [attributeNames.execution]: execution } };
}

/** Returns the span of one of several attempts at the same thing, of which the first that ends well counts. */
export function attemptSpan(execution: string): FrameworkSpan {
  const span: FrameworkSpan = {
    kind: 'operation',
    name: 'attempt',
    attributes: { [attributeNames.operationLabel]: 'attempt' },
  };
  return markExecution(span, execution);
}

/** Holds what a framework knows of a tool call when it begins. */
export interface ToolCallStart {
  readonly name: string;
  /** The arguments, text as it is, anything else as JSON; left out when the framework tells them at the end. */
  readonly arguments?: unknown;
  readonly callId?: string | undefined;
}

export function toolSpan({ name, arguments: args, callId }: ToolCallStart): FrameworkSpan {
  return {
    kind: 'tool_call',
    name,
    attributes: {
      [attributeNames.source]: 'framework',
      [attributeNames.toolName]: name,
      ...(args !== undefined && { [attributeNames.toolArguments]: asText(args) }),
      ...(callId !== undefined && { [attributeNames.toolCallId]: callId }),
    },
  };
}

/** Returns the outcome of a tool call that gave a result; `isError` is for a result that says that the tool failed. */
export function toolOutcome(result: unknown, isError = false): SpanOutcome {
  const text = asText(result);
  return {
    attributes: { [attributeNames.toolResult]: text },
    ...(isError && { status: { code: 'error', message: text } }),
  };
}

/** Holds what a framework knows of a model call when it begins; what is not of the right type is left out. */
export interface ModelCallStart {
  /** @default 'chat' */
  readonly operation?: 'chat' | 'text_completion';
  /** The caller's names, most specific first. */
  readonly names: readonly string[];
  readonly model?: unknown;
  readonly temperature?: unknown;
}

/** Returns the span of a model call. It has no messages: the gateway keeps them as they were sent and answered. */
export function modelCallSpan({ operation = 'chat', names, model, temperature }: ModelCallStart): FrameworkSpan {
  const attributes: Record<string, AttributeValue> = {
    [attributeNames.source]: 'framework',
    [attributeNames.operationName]: operation,
    [attributeNames.agentNames]: names,
  };
  addText(attributes, attributeNames.requestModel, model);
  addNumber(attributes, attributeNames.requestTemperature, temperature);
  return { kind: 'model_call', name: operation, attributes };
}

/** Holds what a framework knows of the answer; what is not of the right type is left out. */
export interface ModelCallAnswer {
  /** The id that the server gave, by which the span is joined with the gateway's; never one that the framework made up. */
  readonly responseId?: unknown;
  readonly model?: unknown;
  readonly finishReason?: unknown;
  readonly inputTokens?: unknown;
  readonly outputTokens?: unknown;
  /** Those of the input tokens that were read from a cache. */
  readonly cachedTokens?: unknown;
}

/** Returns the attributes of a model call that was answered. */
export function answerAttributes(answer: ModelCallAnswer): Record<string, AttributeValue> {
  const attributes: Record<string, AttributeValue> = {};
  addText(attributes, attributeNames.responseId, answer.responseId);
  addText(attributes, attributeNames.responseModel, answer.model);
  if (isText(answer.finishReason)) attributes[attributeNames.finishReasons] = [answer.finishReason];
  addNumber(attributes, attributeNames.inputTokens, answer.inputTokens);
  addNumber(attributes, attributeNames.outputTokens, answer.outputTokens);
  // Most servers report that there are none with every call.
  if (answer.cachedTokens !== 0) addNumber(attributes, attributeNames.cachedTokens, answer.cachedTokens);
  return attributes;
}

function addText(attributes: Record<string, AttributeValue>, name: string, value: unknown): void {
  if (isText(value)) attributes[name] = value;
}

function addNumber(attributes: Record<string, AttributeValue>, name: string, value: unknown): void {
  if (typeof value === 'number' && Number.isFinite(value)) attributes[name] = value;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function asText(value: unknown): string {
  return typeof value === 'string' ? capText(value) : describeValue(value);
}
