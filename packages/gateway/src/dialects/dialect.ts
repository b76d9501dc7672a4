import type { ModelRequest } from '../request/model-request.ts';
import type { JsonObject } from '../http/read-body.ts';
import type { ReplyError } from '../http/reply-error.ts';

/** The dialects that agents speak. */
export type DialectName = 'chat' | 'completions' | 'responses' | 'messages';

/** Items of earlier replies by their id, oldest first. */
export type KeptItems = Map<string, JsonObject>;

/** One way of asking a model over HTTP. */
export interface Dialect {
  readonly name: DialectName;
  /**
   * @param kept what earlier calls of the same attempt said, for dialects whose requests refer to it
   * @throws {ReplyError} `request-invalid`, naming the field
   */
  parse(body: JsonObject, kept?: KeptItems): DialectCall;
  errorBody(error: ReplyError): JsonObject;
}

/** A request in the gateway's own form, and how its reply is told in the agent's dialect. */
export interface DialectCall {
  readonly request: ModelRequest;
  /** Absent where the agent's dialect is the gateway's own. */
  readonly translation?: ReplyTranslation;
}

/** An event of a translated stream; its type is also the SSE event's name. */
export interface DialectEvent {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** Tells one chat-completions reply in another dialect, whole or chunk by chunk. */
export interface ReplyTranslation {
  /** @throws {ReplyError} `upstream-malformed` for what the dialect cannot say */
  whole(reply: JsonObject): JsonObject;
  chunk(chunk: JsonObject): readonly DialectEvent[];
  /** What closes the stream. */
  end(): readonly DialectEvent[];
  failure(error: ReplyError): DialectEvent;
}
