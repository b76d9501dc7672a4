import type { DialectName } from '../dialects/dialect.ts';
import type { JsonObject } from '../http/read-body.ts';
import type { ReplyDraft } from '../reply/model-reply.ts';
import { chatFormat } from '../reply-reader/chat-format.ts';
import { completionFormat } from '../reply-reader/completion-format.ts';
import { isPayload, readCached, readPayload } from '../reply-reader/reply-format.ts';

/** Feeds a draft from the replies of one dialect, as its own server sends them. */
export interface OwnFormat {
  readWhole(payload: JsonObject, draft: ReplyDraft): void;
  /** Reads the data of one event of a stream. */
  readEvent(payload: JsonObject, draft: ReplyDraft): void;
}

/** Every dialect's format. */
export const ownFormats: Readonly<Record<DialectName, OwnFormat>> = {
  chat: {
    readWhole: (payload, draft) => readPayload(payload, draft, chatFormat, false),
    readEvent: (payload, draft) => readPayload(payload, draft, chatFormat, true),
  },
  completions: {
    readWhole: (payload, draft) => readPayload(payload, draft, completionFormat, false),
    readEvent: (payload, draft) => readPayload(payload, draft, completionFormat, true),
  },
  messages: { readWhole: readMessage, readEvent: readMessageEvent },
  responses: { readWhole: readResponse, readEvent: readResponseEvent },
};

function listOf(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isPayload) : [];
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function countOf(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}

function readHead({ id, model }: JsonObject, draft: ReplyDraft): void {
  if (typeof id === 'string') draft.id ??= id;
  if (typeof model === 'string') draft.model ??= model;
}

function addText(draft: ReplyDraft, content: unknown, field = 'content'): void {
  if (typeof content !== 'string' || content === '') return;
  draft.choice(0)?.message.add({ [field]: content });
  draft.markFirstToken();
}

function addToolCall(draft: ReplyDraft, index: number, { id, name, input }: ToolCallPiece): void {
  const call = { index, ...(id !== undefined && { id }), function: { ...(name && { name }), arguments: input } };
  draft.choice(0)?.message.add({ tool_calls: [call] });
  draft.markFirstToken();
}

interface ToolCallPiece {
  readonly id?: string;
  readonly name?: string;
  readonly input: string;
}

function finish(draft: ReplyDraft, reason: unknown): void {
  const choice = draft.choice(0);
  if (choice !== undefined && typeof reason === 'string') choice.finishReason = reason;
}

/** Reads the usage of a message. The tokens that were read from a cache, and those that were written to it, are no part of its `input_tokens`. */
function readMessageUsage(usage: unknown, draft: ReplyDraft): void {
  if (!isPayload(usage)) return;
  const { input_tokens: input, output_tokens: output } = usage;
  const cached = countOf(usage['cache_read_input_tokens']);
  const written = countOf(usage['cache_creation_input_tokens']);
  const before = draft.usage;
  // The last event of a stream may tell the output alone.
  const sent =
    typeof input === 'number'
      ? { inputTokens: input + cached + written, ...(cached > 0 && { cachedTokens: cached }) }
      : { inputTokens: 0, ...before };
  draft.usage = { ...sent, outputTokens: typeof output === 'number' ? output : (before?.outputTokens ?? 0) };
}

function readMessage(payload: JsonObject, draft: ReplyDraft): void {
  readHead(payload, draft);
  for (const [index, block] of listOf(payload['content']).entries()) {
    addText(draft, block['text']);
    addText(draft, block['thinking'], 'reasoning_content');
    if (block['type'] === 'tool_use')
      addToolCall(draft, index, {
        id: textOf(block['id']),
        name: textOf(block['name']),
        input: JSON.stringify(block['input'] ?? {}),
      });
  }
  finish(draft, payload['stop_reason']);
  readMessageUsage(payload['usage'], draft);
}

function readMessageEvent(payload: JsonObject, draft: ReplyDraft): void {
  const { type, message, content_block: block, delta } = payload;
  const index = countOf(payload['index']);
  if (type === 'message_start' && isPayload(message)) {
    readHead(message, draft);
    readMessageUsage(message['usage'], draft);
  } else if (type === 'content_block_start' && isPayload(block)) {
    addText(draft, block['text']);
    if (block['type'] === 'tool_use')
      addToolCall(draft, index, { id: textOf(block['id']), name: textOf(block['name']), input: '' });
  } else if (type === 'content_block_delta' && isPayload(delta)) {
    addText(draft, delta['text']);
    addText(draft, delta['thinking'], 'reasoning_content');
    if (typeof delta['partial_json'] === 'string') addToolCall(draft, index, { input: delta['partial_json'] });
  } else if (type === 'message_delta') {
    if (isPayload(delta)) finish(draft, delta['stop_reason']);
    readMessageUsage(payload['usage'], draft);
  }
}

function readResponse(payload: JsonObject, draft: ReplyDraft): void {
  readHead(payload, draft);
  for (const [index, item] of listOf(payload['output']).entries()) {
    for (const part of [...listOf(item['content']), ...listOf(item['summary'])]) {
      const isReasoning = item['type'] === 'reasoning';
      addText(draft, part['text'], isReasoning ? 'reasoning_content' : 'content');
      addText(draft, part['refusal'], 'refusal');
    }
    if (item['type'] === 'function_call')
      addToolCall(draft, index, {
        id: textOf(item['call_id']),
        name: textOf(item['name']),
        input: textOf(item['arguments']),
      });
  }
  finish(draft, payload['status']);
  const { usage } = payload;
  if (!isPayload(usage)) return;
  const { input_tokens: inputTokens, output_tokens: outputTokens } = usage;
  if (typeof inputTokens === 'number' && typeof outputTokens === 'number')
    draft.usage = { inputTokens, outputTokens, ...readCached(usage['input_tokens_details']) };
}

const lastEvents: readonly unknown[] = ['response.completed', 'response.incomplete', 'response.failed'];

/** Reads a stream from its last event, which repeats the whole response. */
function readResponseEvent({ type, response, delta }: JsonObject, draft: ReplyDraft): void {
  if (type === 'response.output_text.delta' && delta !== '') draft.markFirstToken();
  if (!isPayload(response)) return;
  if (lastEvents.includes(type)) readResponse(response, draft);
  else readHead(response, draft);
}
