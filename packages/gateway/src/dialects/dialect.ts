import type { ModelRequest } from '../request/model-request.ts';
import type { JsonObject } from '../http/read-body.ts';
import type { ReplyError } from '../http/reply-error.ts';
import type { KeptItems } from './kept-items.ts';

/** The dialects that agents speak. */
export type DialectName = 'chat' | 'completions' | 'responses' | 'messages';

/** A form of model calls over HTTP. */
export interface Dialect {
  readonly name: DialectName;
  /**
   * @param kept what earlier calls of the same attempt said, for dialects whose requests refer to it
   * @throws {ReplyError} `request-invalid`, naming the field
   */
  parse(body: JsonObject, kept?: KeptItems): DialectCall;
  errorBody(error: ReplyError): JsonObject;
  /**
   * Keeps the texts of parts of a body that parsing would change, before the body's own text is dropped; absent where there are none.
   *
   * @returns the number of characters that are kept
   */
  keepTexts?(body: JsonObject, text: string): number;
}

/** A request in the gateway's own form, and the translation of its reply into the agent's dialect. */
export interface DialectCall {
  readonly request: ModelRequest;
  /** Translates the reply; absent where the agent's dialect is the gateway's own. */
  readonly translation?: ReplyTranslation;
}

/** An event of a translated stream; its type is also the SSE event's name. */
export interface DialectEvent {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** Translates one chat-completions reply into another dialect, whole or chunk by chunk. */
export interface ReplyTranslation {
  /** Translates a whole reply. @throws {ReplyError} `upstream-malformed` for content that the dialect has no form for */
  whole(reply: JsonObject): JsonObject;
  chunk(chunk: JsonObject): readonly DialectEvent[];
  /** Returns the events that close the stream. */
  end(): readonly DialectEvent[];
  failure(error: ReplyError): DialectEvent;
}
