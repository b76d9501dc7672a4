import type { ChatMessage, JsonValue } from '@agent-lightning/core';

/** A part of a chat message: text, or an image or file that is passed through. */
export type ChatPart =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'image_url'; readonly image_url: { readonly url: string; readonly detail?: string } }
  | { readonly type: 'file'; readonly file: { readonly [field: string]: JsonValue } }
  | { readonly type: 'input_audio'; readonly input_audio: { readonly [field: string]: JsonValue } };

/** Returns the content of a chat message: one text as itself, anything else as its parts. */
export function contentOf(parts: readonly ChatPart[]): JsonValue {
  const [only] = parts;
  if (only === undefined) return '';
  return parts.length === 1 && only.type === 'text' ? only.text : (parts as unknown as JsonValue);
}

/**
 * Gathers messages from dialects that tell an assistant's turn in pieces: reasoning, text and tool calls become the one
 * chat message that they were sampled as, so that the next prompt extends the last one token for token.
 */
export class ChatTurns {
  readonly #messages: ChatMessage[] = [];
  #reasoning = '';
  #texts: ChatPart[] = [];
  #refusal = '';
  #calls: JsonValue[] = [];
  #isOpen = false;

  add(message: ChatMessage): void {
    this.#close();
    this.#messages.push(message);
  }

  addReasoning(text: string): void {
    if (this.#texts.length > 0 || this.#calls.length > 0) this.#close();
    this.#isOpen = true;
    this.#reasoning += text;
  }

  /** Adds text to the assistant's turn; text that follows tool calls begins another turn. */
  addText(parts: readonly ChatPart[], refusal = ''): void {
    if (this.#calls.length > 0 || this.#texts.length > 0) this.#close();
    this.#isOpen = true;
    for (const part of parts) this.#texts.push(part);
    this.#refusal += refusal;
  }

  addCall(id: string, name: string, argumentsText: string): void {
    this.#isOpen = true;
    this.#calls.push({ id, type: 'function', function: { name, arguments: argumentsText } });
  }

  toMessages(): readonly ChatMessage[] {
    this.#close();
    return this.#messages;
  }

  #close(): void {
    if (!this.#isOpen) return;
    const isElsewhere = this.#calls.length > 0 || this.#refusal !== '';
    this.#messages.push({
      role: 'assistant',
      content: this.#texts.length === 0 && isElsewhere ? null : contentOf(this.#texts),
      // Servers read one name or the other.
      ...(this.#reasoning === '' ? {} : { reasoning: this.#reasoning, reasoning_content: this.#reasoning }),
      ...(this.#refusal === '' ? {} : { refusal: this.#refusal }),
      ...(this.#calls.length === 0 ? {} : { tool_calls: this.#calls }),
    });
    this.#isOpen = false;
    this.#reasoning = '';
    this.#texts = [];
    this.#refusal = '';
    this.#calls = [];
  }
}
