import { takeChunk } from '../reply-reader/json-reader.ts';
import { indexOf, onlyChoice, readPayload, type Payload } from '../reply-reader/reply-format.ts';
import type { FastPathCounts, ReplyTarget, StreamReader } from '../reply-reader/reply-reader.ts';
import { chunkAt, learnFrame, type EventFrame } from './event-frame.ts';
import type { NumberScanner } from './number-scanner.ts';
import { parseTypedLists } from './typed-lists.ts';

/** The length above which a chunk may hold a long list, which is then read straight from the bytes. */
const longListLength = 1_024;

/** The limit that the scanner is given where there is none. */
const mostEvents = 2_147_483_647;

/** The most frames of a stream, which has one for each of its choices and each kind of content. */
const mostFrames = 8;
const mostTries = 64;

/** Reads the events of one stream through frames, and leaves the others to the JSON parser. */
export class FastStreamReader implements StreamReader {
  readonly #scanner: NumberScanner;
  readonly #target: ReplyTarget;
  readonly #json: StreamReader;
  readonly #counts: FastPathCounts;
  readonly #frames: EventFrame[] = [];
  #tries = 0;
  /** The frame that read the last events, which the draft has not been fed yet. */
  #last: EventFrame | undefined;

  constructor(scanner: NumberScanner, target: ReplyTarget, json: StreamReader, counts: FastPathCounts) {
    this.#scanner = scanner;
    this.#target = target;
    this.#json = json;
    this.#counts = counts;
  }

  readEvents(bytes: Buffer, start: number): number {
    let at = start;
    for (;;) {
      const end = this.#readFrame(bytes, at) ?? (this.#learn(bytes, at) ? this.#readFrame(bytes, at) : undefined);
      if (end === undefined) return at;
      at = end;
    }
  }

  readEvent(data: Buffer): void {
    this.end();
    const payload = data.length > longListLength ? parseTypedLists(this.#scanner, data) : undefined;
    if (payload === undefined) return this.#json.readEvent(data);
    this.#counts.hits += 1;
    return takeChunk(payload, this.#target);
  }

  /** Feeds the draft the events of one frame, as one chunk. */
  end(): void {
    if (this.#last === undefined) return;
    const { draft, format } = this.#target;
    const payload = this.#last.payload();
    const index = indexOf(onlyChoice(payload) ?? {});
    readPayload(payload, draft, format, true);
    draft.addLogprobs(index, this.#last.logprobs.view());
    draft.addTokens(index, this.#last.ids.view());
    this.#last.clear();
    this.#last = undefined;
  }

  /** Reads events of one frame; returns the byte after the last one, or undefined when no frame reads the first. */
  #readFrame(bytes: Buffer, start: number): number | undefined {
    const { draft, sink } = this.#target;
    const { output } = sink;
    for (const frame of this.#frames) {
      const events = frame.read(bytes, start, output === undefined ? 1 : mostEvents);
      if (events === undefined) continue;
      if (this.#last !== frame) this.end();
      this.#last = frame;
      this.#counts.hits += events.count;
      draft.markFirstToken();
      if (output === undefined) this.#tell(frame.payload());
      else output.append(events.shown);
      return events.end;
    }
    return undefined;
  }

  /** Hands a chunk's payload to the sink of another dialect. */
  #tell(payload: Payload): void {
    this.end();
    this.#target.sink.event({ payload });
  }

  /** Learns the frame of the event at `start`, and tells whether there is a new one. */
  #learn(bytes: Buffer, start: number): boolean {
    if (this.#frames.length === mostFrames || this.#tries === mostTries) return false;
    const chunk = chunkAt(bytes, start);
    if (chunk === undefined) return false;
    this.#tries += 1;
    const frame = learnFrame(this.#scanner, chunk);
    if (frame !== undefined) this.#frames.push(frame);
    return frame !== undefined;
  }
}
