import { stringifyWithSources } from '../http/json-source.ts';
import type { JsonObject } from '../http/read-body.ts';
import type { ReplyEvent, ReplySink } from '../http/reply-sink.ts';
import type { ReplyWriter } from '../http/reply-writer.ts';
import type { ReplyError } from '../http/reply-error.ts';
import type { ReplyTranslation, Dialect, DialectCall, DialectEvent } from './dialect.ts';

function eventText(events: readonly DialectEvent[]): string {
  let text = '';
  for (const event of events) text += `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
  return text;
}

/** Sends a chat reply to an agent that speaks another dialect. */
export class TranslatingSink implements ReplySink {
  readonly #writer: ReplyWriter;
  readonly #dialect: Dialect;
  readonly #translation: ReplyTranslation;

  constructor(writer: ReplyWriter, dialect: Dialect, translation: ReplyTranslation) {
    this.#writer = writer;
    this.#dialect = dialect;
    this.#translation = translation;
  }

  json(payload: JsonObject): void {
    this.#writer.bytes(Buffer.from(stringifyWithSources(this.#translation.whole(payload))), 'application/json');
  }

  event({ payload }: ReplyEvent): void {
    this.#writer.text(eventText(this.#translation.chunk(payload)));
  }

  flush(): Promise<void> | undefined {
    return this.#writer.flush();
  }

  endEvents(): void {
    this.#writer.endText(eventText(this.#translation.end()));
  }

  beat(isStream: boolean): void {
    this.#writer.beat(isStream);
  }

  fail(error: ReplyError): void {
    const event = this.#writer.isStreaming ? eventText([this.#translation.failure(error)]) : '';
    this.#writer.failWith(error, this.#dialect.errorBody(error), event);
  }

  delivered(): Promise<boolean> {
    return this.#writer.delivered();
  }
}

/** Returns the sink that a call's reply goes to, in the form of its dialect. */
export function sinkFor(dialect: Dialect, call: DialectCall, writer: ReplyWriter): ReplySink {
  return call.translation === undefined ? writer : new TranslatingSink(writer, dialect, call.translation);
}
