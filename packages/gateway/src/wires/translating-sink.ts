import type { JsonObject } from '../http/read-body.ts';
import type { ReplyEvent, ReplySink } from '../http/reply-sink.ts';
import type { ReplyWriter } from '../http/reply-writer.ts';
import type { WireError } from '../http/wire-error.ts';
import type { ReplyTranslation, Wire, WireCall, WireEvent } from './wire.ts';

function eventText(events: readonly WireEvent[]): string {
  let text = '';
  for (const event of events) text += `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
  return text;
}

/** Tells a chat reply to an agent that speaks another wire. */
export class TranslatingSink implements ReplySink {
  readonly #writer: ReplyWriter;
  readonly #wire: Wire;
  readonly #translation: ReplyTranslation;

  constructor(writer: ReplyWriter, wire: Wire, translation: ReplyTranslation) {
    this.#writer = writer;
    this.#wire = wire;
    this.#translation = translation;
  }

  json(payload: JsonObject): void {
    this.#writer.json(this.#translation.whole(payload));
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

  fail(error: WireError): void {
    const event = this.#writer.isStreaming ? eventText([this.#translation.failure(error)]) : '';
    this.#writer.failWith(error, this.#wire.errorBody(error), event);
  }

  delivered(): Promise<boolean> {
    return this.#writer.delivered();
  }
}

/** Where a call's reply goes, in the form of its wire. */
export function sinkFor(wire: Wire, call: WireCall, writer: ReplyWriter): ReplySink {
  return call.translation === undefined ? writer : new TranslatingSink(writer, wire, call.translation);
}
