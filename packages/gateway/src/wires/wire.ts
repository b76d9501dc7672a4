import type { ModelRequest } from '../request/model-request.ts';
import type { JsonObject } from '../http/read-body.ts';
import type { WireError } from '../http/wire-error.ts';

/** The wires that agents speak. */
export type WireName = 'chat' | 'completions' | 'responses' | 'messages';

/** Items of earlier replies by their id, oldest first. */
export type KeptItems = Map<string, JsonObject>;

/** One way of asking a model over HTTP. */
export interface Wire {
  readonly name: WireName;
  /**
   * @param kept what earlier calls of the same attempt said, for wires whose requests refer to it
   * @throws {WireError} `request-invalid`, naming the field
   */
  parse(body: JsonObject, kept?: KeptItems): WireCall;
  errorBody(error: WireError): JsonObject;
}

/** A request in the gateway's own form, and how its reply is told on the agent's wire. */
export interface WireCall {
  readonly request: ModelRequest;
  /** Absent where the agent's wire is the gateway's own. */
  readonly translation?: ReplyTranslation;
}

/** An event of a translated stream; its type is also the SSE event's name. */
export interface WireEvent {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** Tells one chat-completions reply on another wire, whole or chunk by chunk. */
export interface ReplyTranslation {
  /** @throws {WireError} `upstream-malformed` for what the wire cannot say */
  whole(reply: JsonObject): JsonObject;
  chunk(chunk: JsonObject): readonly WireEvent[];
  /** What closes the stream. */
  end(): readonly WireEvent[];
  failure(error: WireError): WireEvent;
}
