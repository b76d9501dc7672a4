import type { ChatMessage, JsonValue } from '@agent-lightning/core';
import type { JsonObject } from '../http/read-body.ts';
import { readToolCalls, ToolCallOrder } from './tool-call-order.ts';

interface ToolCallDraft {
  id: string;
  type: string;
  name: string;
  arguments: string;
}

/** Gathers an assistant message, whole or delta by delta, into one form: both ways of sending a message end equal. */
export class MessageDraft {
  readonly #texts = new Map<string, string>();
  readonly #others = new Map<string, unknown>();
  readonly #toolCalls: ToolCallDraft[] = [];
  readonly #order = new ToolCallOrder();

  add(delta: JsonObject): void {
    for (const field of Object.keys(delta)) {
      const value = delta[field];
      if (field === 'role' || value === null || value === undefined) continue;
      if (field === 'tool_calls' && Array.isArray(value)) this.#addToolCalls(value);
      else if (typeof value === 'string') this.#texts.set(field, (this.#texts.get(field) ?? '') + value);
      else if (!Array.isArray(value) || value.length > 0) this.#others.set(field, value);
    }
  }

  #addToolCalls(list: readonly unknown[]): void {
    for (const [position, delta] of readToolCalls(list).entries()) {
      const { number, name } = this.#order.place(delta);
      const draft = (this.#toolCalls[number] ??= { id: '', type: 'function', name: '', arguments: '' });
      const { type } = (list[position] ?? {}) as { type?: unknown };
      if (typeof type === 'string') draft.type = type;
      if (draft.id === '') draft.id = delta.id;
      draft.name += name;
      draft.arguments += delta.arguments;
    }
  }

  /** Returns the message with its fields in a fixed order; empty ones are left out, and content is null beside tool calls or a refusal. */
  toMessage(): ChatMessage {
    const texts = [...this.#texts]
      .filter(([field, text]) => field !== 'content' && text !== '')
      .sort(([a], [b]) => (a < b ? -1 : 1));
    const others = [...this.#others].sort(([a], [b]) => (a < b ? -1 : 1));
    const calls = this.#toolCalls.map(({ id, type, name, arguments: text }) => ({
      id,
      type,
      function: { name, arguments: text },
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
