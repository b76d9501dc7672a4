import type { EventBytes } from './event-bytes.ts';
import type { JsonObject } from './read-body.ts';
import type { ReplyError } from './reply-error.ts';

/** One event of a streamed reply in the gateway's own form, which is a chunk of OpenAI Chat. */
export interface ReplyEvent {
  readonly payload: JsonObject;
  /** The payload as JSON, where it is known already. */
  readonly text?: string;
}

/** Takes the reply to one agent, and sends it in the form of the agent's dialect. */
export interface ReplySink {
  /** Takes events that are bytes of OpenAI Chat already; absent where the agent's dialect is another. */
  readonly output?: EventBytes | undefined;
  json(payload: JsonObject): void;
  /** Adds an event to the next write; what it holds is not kept. */
  event(event: ReplyEvent): void;
  /** Sends the events that were added, in one write; a promise is returned when the agent reads slower than they come. */
  flush(): Promise<void> | undefined;
  endEvents(): void;
  /** Sends what changes nothing about the reply, its head before it, so that the agent's client keeps waiting. */
  beat(isStream: boolean): void;
  /** Sends an error status before the first byte, and an error event after it, so that no broken reply looks complete. */
  fail(error: ReplyError): void;
  /** Resolves to whether everything was handed to the agent's connection; false when that closed first. */
  delivered(): Promise<boolean>;
}
