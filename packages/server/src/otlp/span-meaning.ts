import {
  attributeNames,
  rewardNameAttribute,
  rewardValueAttribute,
  type AttributeValue,
  type SpanInput,
} from '@agent-lightning/core';
import { findTokens, type FoundTokens } from './call-tokens.ts';
import { readInputMessages, readModels, readOutput } from './chat-messages.ts';
import { textAt } from './flat-attributes.ts';
import type { AnyAttributes, ExportedSpan } from './trace-export.ts';

type SpanKind = SpanInput['kind'];

/** Holds what a span means to training: its kind, the attributes that say it under the current names, and its tokens. */
export interface SpanMeaning {
  readonly kind: SpanKind;
  /** Attributes to set beside, or instead of, those that came. */
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  readonly found: FoundTokens | undefined;
}

const modelOperations: ReadonlySet<string> = new Set([
  'chat',
  'completion',
  'acompletion',
  'text_completion',
  'generate_content',
  'responses',
]);
const agentOperations: ReadonlySet<string> = new Set(['invoke_agent', 'create_agent', 'invoke_workflow']);

/** The attributes that name whoever acts in a span, by the instrumentations that write them, most specific first. */
const agentNameAttributes: readonly string[] = [
  'gen_ai.agent.name',
  'agent.name',
  'recipient_agent_type',
  'langchain.chain.type',
  'executor.id',
];

/** Reads a span by its attributes and its name: current GenAI names, the older ones, OpenInference's, and those of Agent Lightning 0.3. */
export function readMeaning({ name, attributes }: Pick<ExportedSpan, 'name' | 'attributes'>): SpanMeaning {
  const reward = readReward(name, attributes);
  if (reward !== undefined) return { kind: 'reward', attributes: reward, found: undefined };
  const found = findTokens(attributes);
  const kind = kindOf(name, attributes, found);
  if (kind === 'model_call') return { kind, attributes: describeCall(attributes, found), found };
  const set: Record<string, AttributeValue> = {};
  if (kind === 'tool_call')
    add(set, attributes, attributeNames.toolName, textAt(attributes, 'tool.name', 'traceloop.entity.name'));
  add(set, attributes, attributeNames.agentName, agentNameOf(attributes));
  return { kind, attributes: set, found: undefined };
}

function kindOf(name: string, attributes: AnyAttributes, found: FoundTokens | undefined): SpanKind {
  if (name === 'agentlightning.message') return 'message';
  if (name === 'agentlightning.object') return 'object';
  if (name === 'agentlightning.exception') return 'exception';
  const operation = textAt(attributes, 'gen_ai.operation.name') ?? '';
  const group = (
    textAt(attributes, 'openinference.span.kind', 'traceloop.span.kind', 'agentops.span.kind') ?? ''
  ).toLowerCase();
  if (
    operation === 'execute_tool' ||
    group === 'tool' ||
    textAt(attributes, 'gen_ai.tool.name', 'tool.name') !== undefined
  )
    return 'tool_call';
  if (found !== undefined || isModelCall(name, attributes, operation, group)) return 'model_call';
  return agentOperations.has(operation) || group === 'agent' ? 'agent' : 'operation';
}

function isModelCall(name: string, attributes: AnyAttributes, operation: string, group: string): boolean {
  // The reply as it came, below the span of the same call: without tokens it says nothing more.
  if (name === 'raw_gen_ai_request') return false;
  const type = textAt(attributes, 'gen_ai.request.type', 'llm.request.type') ?? '';
  return (
    modelOperations.has(operation) ||
    modelOperations.has(type) ||
    group === 'llm' ||
    name === 'openai.chat.completion' ||
    textAt(attributes, 'gen_ai.response.id') !== undefined
  );
}

/** Returns what the current names say of a model call, as far as the sender says it under others. */
function describeCall(
  attributes: AnyAttributes,
  found: FoundTokens | undefined,
): Readonly<Record<string, AttributeValue>> {
  const names = attributeNames;
  const set: Record<string, AttributeValue> = {};
  const { asked, answered } = readModels(attributes);
  add(set, attributes, names.operationName, 'chat');
  add(set, attributes, names.providerName, textAt(attributes, 'gen_ai.system', 'llm.provider', 'llm.system'));
  add(set, attributes, names.requestModel, asked ?? found?.reply.model);
  add(set, attributes, names.responseModel, answered ?? found?.reply.model);
  add(
    set,
    attributes,
    names.responseId,
    textAt(attributes, 'agentlightning.operation.output.id') ?? found?.reply.responseId,
  );
  add(set, attributes, names.inputTokens, numberAt(attributes, 'gen_ai.usage.prompt_tokens', 'llm.token_count.prompt'));
  add(
    set,
    attributes,
    names.outputTokens,
    numberAt(attributes, 'gen_ai.usage.completion_tokens', 'llm.token_count.completion'),
  );
  add(set, attributes, names.agentName, agentNameOf(attributes));
  const output = readOutput(attributes);
  const reply = found?.reply.finishReason;
  const reasons = output.finishReasons ?? (reply === undefined ? undefined : [reply]);
  if (reasons !== undefined && !Array.isArray(attributes[names.finishReasons])) set[names.finishReasons] = reasons;
  setMessages(set, attributes, names.inputMessages, readInputMessages(attributes));
  setMessages(set, attributes, names.outputMessages, output.messages);
  // What a sender reports with its tokens counts as captured, as of our own gateway.
  if (found?.tokens !== undefined) set[names.source] = 'gateway';
  else if (!(names.source in attributes)) set[names.source] = 'framework';
  if (found?.problem !== undefined) add(set, attributes, names.untrainable, found.problem);
  return set;
}

function setMessages(
  set: Record<string, AttributeValue>,
  attributes: AnyAttributes,
  name: string,
  messages: unknown,
): void {
  if (messages === undefined) return;
  const text = JSON.stringify(messages);
  if (attributes[name] !== text) set[name] = text;
}

/** Sets an attribute that the sender did not. */
function add(
  set: Record<string, AttributeValue>,
  attributes: AnyAttributes,
  name: string,
  value: AttributeValue | undefined,
): void {
  if (value !== undefined && (attributes[name] === undefined || attributes[name] === null)) set[name] = value;
}

function agentNameOf(attributes: AnyAttributes): string | undefined {
  const named = textAt(attributes, ...agentNameAttributes);
  if (named !== undefined) return named;
  if (attributes['agentops.span.kind'] === 'agent') return textAt(attributes, 'operation.name');
  if (attributes['traceloop.span.kind'] === 'agent') return textAt(attributes, 'traceloop.entity.name');
  return attributes['type'] === 'agent' ? textAt(attributes, 'agentlightning.operation.input.name') : undefined;
}

function numberAt(attributes: AnyAttributes, ...names: readonly string[]): number | undefined {
  return names.map((name) => attributes[name]).find((value) => typeof value === 'number');
}

/** Tells whether a span says a reward in any form that a reader of this store or of 0.3's protocol takes for one, whatever its kind. */
export function saysReward({ kind, name, attributes }: Pick<SpanInput, 'kind' | 'name' | 'attributes'>): boolean {
  return (
    kind === 'reward' ||
    Object.keys(attributes).some((each) => each.startsWith('agentlightning.reward.')) ||
    readReward(name, attributes) !== undefined
  );
}

/** Returns the attributes of a reward, in whichever of its forms it came; undefined for a span that is no reward. */
function readReward(name: string, attributes: AnyAttributes): Readonly<Record<string, AttributeValue>> | undefined {
  if (rewardValueAttribute(0) in attributes || rewardNameAttribute(0) in attributes)
    return { ...readBooleans(attributes), ...readScope(attributes) };
  const old = readOldReward(name, attributes);
  return old === undefined ? undefined : { [rewardNameAttribute(0)]: 'primary', [rewardValueAttribute(0)]: old };
}

/** Returns the dimensions that came as booleans, as numbers. */
function readBooleans(attributes: AnyAttributes): Readonly<Record<string, number>> {
  const set: Record<string, number> = {};
  for (let index = 0; rewardValueAttribute(index) in attributes; index++) {
    const value = attributes[rewardValueAttribute(index)];
    if (typeof value === 'boolean') set[rewardValueAttribute(index)] = Number(value);
  }
  return set;
}

/** Returns the scope of a reward that is linked to one span by its id, as 0.3 links; other links leave it a reward of the rollout. */
function readScope(attributes: AnyAttributes): Readonly<Record<string, string>> {
  const target = attributes['agentlightning.link.0.value_match'];
  const isOneSpan =
    attributes['agentlightning.link.0.key_match'] === 'span_id' && !('agentlightning.link.1.key_match' in attributes);
  if (attributeNames.rewardScope in attributes || !isOneSpan || typeof target !== 'string' || target === '') return {};
  return { [attributeNames.rewardScope]: 'span', [attributeNames.rewardTarget]: target };
}

/** Reads the rewards of AgentOps's operations, and of Agent Lightning 0.2. */
function readOldReward(name: string, attributes: AnyAttributes): number | undefined {
  if (name === 'agentlightning.annotation' && typeof attributes['reward'] === 'number') return attributes['reward'];
  for (const written of ['agentops.task.output', 'agentops.entity.output']) {
    const text = attributes[written];
    if (typeof text !== 'string' || !text.includes('reward')) continue;
    const value = readRewardText(text);
    if (value !== undefined) return value;
  }
  return undefined;
}

function readRewardText(text: string): number | undefined {
  try {
    const { type, value } = (JSON.parse(text) ?? {}) as { readonly type?: unknown; readonly value?: unknown };
    return type === 'reward' && typeof value === 'number' ? value : undefined;
  } catch {
    return undefined; // An operation may return any text.
  }
}
