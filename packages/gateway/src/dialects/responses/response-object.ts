import { randomUUID } from 'node:crypto';
import type { JsonObject } from '../../http/read-body.ts';
import { carriesReasoning, carryReasoning } from './carried-reasoning.ts';
import { untellable, type ChatSaid, type ChatUsage } from '../chat/chat-reply.ts';

/** An item of a response's output. */
export type OutputItem = JsonObject & { readonly id: string; readonly type: string };

/** Returns a new id in the style of the API, such as `msg_…`. */
export function newId(prefix: string): string {
  return `${prefix}_${randomUUID().replaceAll('-', '')}`;
}

/** Returns the item of a reasoning. @param isCarried whether the item must bring it back in `encrypted_content` */
export function reasoningItem(text: string, isCarried: boolean, id: string = newId('rs')): OutputItem {
  return {
    id,
    type: 'reasoning',
    summary: [],
    content: text === '' ? [] : [{ type: 'reasoning_text', text }],
    encrypted_content: isCarried && text !== '' ? carryReasoning(text) : null,
    status: 'completed',
  };
}

export function textPart(text: string, logprobs: readonly JsonObject[]): JsonObject {
  return { type: 'output_text', text, annotations: [], logprobs };
}

export function messageItem(
  content: readonly JsonObject[],
  status: string = 'completed',
  id: string = newId('msg'),
): OutputItem {
  return { id, type: 'message', role: 'assistant', status, content };
}

export function callItem(
  call: { readonly id: string; readonly name: string; readonly arguments: string },
  status: string = 'completed',
  id: string = newId('fc'),
): OutputItem {
  return { id, type: 'function_call', call_id: call.id, name: call.name, arguments: call.arguments, status };
}

/** Returns the status of a response by the reason for which the choice ended. @throws {ReplyError} for a reason with no form here */
export function statusOf(finishReason: string | undefined): JsonObject {
  if (finishReason === 'length') return { status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } };
  if (finishReason === 'content_filter')
    return { status: 'incomplete', incomplete_details: { reason: 'content_filter' } };
  if (finishReason === 'stop' || finishReason === 'tool_calls')
    return { status: 'completed', incomplete_details: null };
  throw untellable(`it ended by "${String(finishReason)}"`);
}

export function usageOf(usage: ChatUsage | undefined): JsonObject | null {
  if (usage === undefined) return null;
  return {
    input_tokens: usage.input,
    input_tokens_details: { cached_tokens: usage.cached, cache_write_tokens: 0 },
    output_tokens: usage.output,
    output_tokens_details: { reasoning_tokens: usage.reasoning },
    total_tokens: usage.input + usage.output,
  };
}

/** Returns the items of a whole reply, in the order in which a model generates them. */
export function outputOf(said: ChatSaid, request: JsonObject): readonly OutputItem[] {
  const isCarried = carriesReasoning(request);
  const items: OutputItem[] = said.reasoning === '' ? [] : [reasoningItem(said.reasoning, isCarried)];
  const isCut = said.finishReason === 'length' || said.finishReason === 'content_filter';
  const status = isCut ? 'incomplete' : 'completed';
  const parts: JsonObject[] = [];
  if (said.text !== '' || (said.refusal === '' && said.calls.length === 0))
    parts.push(textPart(said.text, said.logprobs));
  if (said.refusal !== '') parts.push({ type: 'refusal', refusal: said.refusal });
  if (parts.length > 0) items.push(messageItem(parts, status));
  for (const call of said.calls) items.push(callItem(call, status));
  return items;
}

/** Returns the fields of a response that repeat its request. */
function echoOf(request: JsonObject): JsonObject {
  const echo = (field: string, otherwise: unknown): unknown => request[field] ?? otherwise;
  const reasoning = (request['reasoning'] ?? {}) as JsonObject;
  return {
    instructions: echo('instructions', null),
    max_output_tokens: echo('max_output_tokens', null),
    metadata: echo('metadata', {}),
    parallel_tool_calls: echo('parallel_tool_calls', true),
    previous_response_id: echo('previous_response_id', null),
    reasoning: { effort: reasoning['effort'] ?? null, summary: reasoning['summary'] ?? null },
    store: false,
    temperature: echo('temperature', null),
    text: echo('text', { format: { type: 'text' } }),
    tool_choice: echo('tool_choice', 'auto'),
    tools: echo('tools', []),
    top_p: echo('top_p', null),
    truncation: echo('truncation', 'disabled'),
    background: false,
    ...(request['user'] === undefined ? {} : { user: request['user'] }),
  };
}

/** Returns the head of a response: all but its output, status and usage. */
export function responseHead(reply: JsonObject, request: JsonObject): JsonObject {
  return {
    id: reply['id'],
    object: 'response',
    created_at: reply['created'] ?? 0,
    model: reply['model'] ?? request['model'],
    error: null,
    ...echoOf(request),
  };
}
