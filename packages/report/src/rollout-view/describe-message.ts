import type { ChatMessage } from '@agent-lightning/core';

/** A chat message as a person reads it. */
export interface ShownMessage {
  readonly role: string;
  readonly text: string;
  /** The tools that the message calls, such as `lookup({"key":"k1"})`. */
  readonly toolCalls: readonly string[];
}

/** Returns a message's text and tool calls, whatever form its content has. Any writer may have written it. */
export function describeMessage(message: ChatMessage): ShownMessage {
  const calls: unknown = message['tool_calls'];
  return {
    role: String(message.role),
    text: contentText(message.content ?? null),
    toolCalls: Array.isArray(calls) ? calls.map(describeToolCall) : [],
  };
}

/** Tells whether two messages say the same. What a framework sends back differs in form: in content as parts, or in the spaces of a tool's arguments. */
export function saySame(one: ChatMessage, other: ChatMessage): boolean {
  return toComparable(one) === toComparable(other);
}

function toComparable(message: ChatMessage): string {
  const { role, text, toolCalls } = describeMessage(message);
  return JSON.stringify([role, text, toolCalls.map(withoutSpaces)]);
}

/** Returns a tool call as it is shown, its arguments without spaces around them and between their parts where they are JSON. */
function withoutSpaces(call: string): string {
  const [, name, input] = /^(.*?)\((.*)\)$/s.exec(call) ?? [];
  if (input === undefined) return call;
  try {
    return `${name}(${JSON.stringify(JSON.parse(input))})`;
  } catch {
    return call; // a model may write what is no JSON
  }
}

function contentText(content: unknown): string {
  if (typeof content === 'string') return content;
  if (content === null || content === undefined) return '';
  if (!Array.isArray(content)) return JSON.stringify(content);
  return content.map(partText).join('');
}

function partText(part: unknown): string {
  if (typeof part === 'string') return part;
  const { text, type } = (part ?? {}) as { readonly text?: unknown; readonly type?: unknown };
  return typeof text === 'string' ? text : `[${String(type ?? 'part')}]`;
}

function describeToolCall(call: unknown): string {
  const { name, arguments: input } = ((call as { readonly function?: unknown } | null)?.function ?? {}) as {
    readonly name?: unknown;
    readonly arguments?: unknown;
  };
  return `${String(name ?? 'a tool')}(${typeof input === 'string' ? input : JSON.stringify(input ?? {})})`;
}
