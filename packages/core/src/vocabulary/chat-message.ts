import type { JsonValue } from './json.ts';

/** A chat message as OpenAI Chat has it. */
export interface ChatMessage {
  readonly role: string;
  readonly content?: JsonValue;
  readonly [key: string]: JsonValue | undefined;
}
