import type { HttpReply } from '../upstream/http-exchange.ts';
import type { ReplyDraft } from '../reply/model-reply.ts';
import { EventStreamParser } from '../reply-reader/event-stream.ts';
import { isPayload } from '../reply-reader/reply-format.ts';
import type { OwnFormat } from './own-formats.ts';

/** The longest whole reply that is read for the trace, in bytes; a longer one reaches the agent all the same. */
const longestRead = 16 * 1_048_576;

/** Reads a reply for the trace while it goes to the agent. What cannot be read changes nothing for the agent. */
export class OwnReply {
  readonly #format: OwnFormat;
  readonly #draft: ReplyDraft;
  readonly #events: EventStreamParser | undefined;
  #pieces: Buffer[] = [];
  #length = 0;

  constructor(reply: HttpReply, format: OwnFormat, draft: ReplyDraft) {
    this.#format = format;
    this.#draft = draft;
    const isStream = (reply.header('content-type') ?? '').toLowerCase().startsWith('text/event-stream');
    if (isStream) this.#events = new EventStreamParser((data) => this.#readEvent(data));
  }

  read(pieces: readonly Buffer[]): void {
    for (const piece of pieces) this.#length += piece.length;
    if (this.#events !== undefined) this.#guard(() => this.#events!.push(pieces));
    else if (this.#length <= longestRead) this.#pieces.push(...pieces);
    else this.#pieces = [];
  }

  /** Reads what can be read of a whole reply when all of it is there. */
  end(): void {
    if (this.#events !== undefined || this.#pieces.length === 0) return;
    this.#guard(() => {
      const payload: unknown = JSON.parse(Buffer.concat(this.#pieces).toString());
      if (isPayload(payload)) this.#format.readWhole(payload, this.#draft);
    });
    this.#draft.markFirstToken();
  }

  #readEvent(data: Buffer): void {
    const text = data.toString();
    if (text === '[DONE]') return;
    this.#guard(() => {
      const payload: unknown = JSON.parse(text);
      if (isPayload(payload)) this.#format.readEvent(payload, this.#draft);
    });
  }

  #guard(read: () => void): void {
    try {
      read();
    } catch (error) {
      this.#draft.markMalformed(
        `the reply could not be read: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }
}
