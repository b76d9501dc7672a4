import type { JsonObject } from '../../http/read-body.ts';
import { untellable, type ChatSaid, type ChatUsage } from '../chat/chat-reply.ts';
import { inputOf } from './tool-input.ts';

const stopReasons: Readonly<Record<string, string>> = {
  stop: 'end_turn',
  tool_calls: 'tool_use',
  length: 'max_tokens',
  content_filter: 'refusal',
};

/** The content of a message that decides, beside the reason, why it ended. */
export interface MessageContent {
  readonly isRefusal: boolean;
  readonly hasCalls: boolean;
}

/** Returns why a message ended, as this dialect names it. @throws {ReplyError} for a reason with no name here */
export function stopOf(
  finishReason: string | undefined,
  stopText: string | undefined,
  { isRefusal, hasCalls }: MessageContent,
): JsonObject {
  if (isRefusal) return { stop_reason: 'refusal', stop_sequence: null };
  // vLLM says "stop" beside tool calls when it was told which function to call.
  if (finishReason === 'stop' && hasCalls) return { stop_reason: 'tool_use', stop_sequence: null };
  if (finishReason === 'stop' && stopText !== undefined)
    return { stop_reason: 'stop_sequence', stop_sequence: stopText };
  const reason = finishReason === undefined ? undefined : stopReasons[finishReason];
  if (reason === undefined) throw untellable(`it ended by "${String(finishReason)}"`);
  return { stop_reason: reason, stop_sequence: null };
}

export function usageOf(usage: ChatUsage | undefined): JsonObject {
  return {
    input_tokens: (usage?.input ?? 0) - (usage?.cached ?? 0),
    output_tokens: usage?.output ?? 0,
    cache_read_input_tokens: usage?.cached ?? 0,
    cache_creation_input_tokens: 0,
    output_tokens_details: usage === undefined || usage.reasoning === 0 ? null : { thinking_tokens: usage.reasoning },
  };
}

/** Returns the blocks of a whole reply. */
export function contentBlocks(said: ChatSaid): readonly JsonObject[] {
  const text = said.text + said.refusal;
  return [
    ...(said.reasoning === '' ? [] : [{ type: 'thinking', thinking: said.reasoning, signature: '' }]),
    ...(text === '' ? [] : [{ type: 'text', text, citations: null }]),
    ...said.calls.map((call) => ({ type: 'tool_use', id: call.id, name: call.name, input: inputOf(call.arguments) })),
  ];
}

/** Returns a message without its content, end and usage. */
export function messageHead(reply: JsonObject): JsonObject {
  return { id: reply['id'], type: 'message', role: 'assistant', model: reply['model'], container: null };
}
