import type { ChatMessage, JsonValue } from '@agent-lightning/core';
import type { JsonObject } from '../http/read-body.ts';

interface ToolCallDraft {
  id: string | undefined;
  type: string;
  name: string;
  arguments: string;
}

/** Gathers an assistant message, whole or delta by delta, into one form: both ways of sending a message end equal. */
export class MessageDraft {
  readonly #texts = new Map<string, string>();
  readonly #others = new Map<string, unknown>();
  readonly #toolCalls = new Map<number, ToolCallDraft>();

  add(delta: JsonObject): void {
    for (const field of Object.keys(delta)) {
      const value = delta[field];
      if (field === 'role' || value === null || value === undefined) continue;
      if (field === 'tool_calls' && Array.isArray(value))
        for (const [index, call] of value.entries()) this.#addToolCall(call as JsonObject, index);
      else if (typeof value === 'string') this.#texts.set(field, (this.#texts.get(field) ?? '') + value);
      else if (!Array.isArray(value) || value.length > 0) this.#others.set(field, value);
    }
  }

  #addToolCall(call: JsonObject, position: number): void {
    if (typeof call !== 'object' || call === null) return;
    const index = typeof call['index'] === 'number' ? call['index'] : position;
    const draft = this.#toolCalls.get(index) ?? { id: undefined, type: 'function', name: '', arguments: '' };
    if (typeof call['id'] === 'string') draft.id ??= call['id'];
    if (typeof call['type'] === 'string') draft.type = call['type'];
    const called = (call['function'] ?? {}) as JsonObject;
    if (typeof called['name'] === 'string') draft.name += called['name'];
    if (typeof called['arguments'] === 'string') draft.arguments += called['arguments'];
    this.#toolCalls.set(index, draft);
  }

  /** Returns the message with its fields in a fixed order; empty ones are left out, and content is null beside tool calls or a refusal. */
  toMessage(): ChatMessage {
    const texts = [...this.#texts]
      .filter(([field, text]) => field !== 'content' && text !== '')
      .sort(([a], [b]) => (a < b ? -1 : 1));
    const others = [...this.#others].sort(([a], [b]) => (a < b ? -1 : 1));
    const calls = [...this.#toolCalls]
      .sort(([a], [b]) => a - b)
      .map(([, call]) => ({
        id: call.id ?? '',
        type: call.type,
        function: { name: call.name, arguments: call.arguments },
      }));
    const isElsewhere = calls.length > 0 || texts.some(([field]) => field === 'refusal');
    const content = this.#texts.get('content') ?? '';
    return {
      role: 'assistant',
      content: content === '' && isElsewhere ? null : content,
      ...Object.fromEntries(texts),
      ...(Object.fromEntries(others) as Record<string, JsonValue>),
      ...(calls.length > 0 ? { tool_calls: calls } : {}),
    };
  }
}
