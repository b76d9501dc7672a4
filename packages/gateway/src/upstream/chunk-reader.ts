import type { ReplyDraft } from '../chat/model-reply.ts';
import type { ReplyView } from '../chat/model-request.ts';
import type { ReplySink } from '../http/reply-sink.ts';
import { WireError } from '../http/wire-error.ts';
import { learnFrame, type EventFrame } from './event-frame.ts';
import { bytesWithout, liftEvent, type Lifted } from './lift-event.ts';
import { parseLifted } from './lift-numbers.ts';
import { parseReply } from './parse-reply.ts';
import {
  indexOf,
  isForAgent,
  onlyChoice,
  readPayload,
  stripPayload,
  type Payload,
  type ReplyFormat,
} from './reply-format.ts';

export interface ChunkReaderOptions {
  readonly format: ReplyFormat;
  readonly view: ReplyView;
  readonly draft: ReplyDraft;
  /** Whether the chunks hold what the agent did not ask for. */
  readonly isCaptured: boolean;
  readonly url: URL;
  /** Told what the agent is to have. */
  readonly sink: Pick<ReplySink, 'event' | 'output'>;
}

/** Above this a chunk may hold a long list, which is read straight from the bytes. */
const longListLength = 1_024;
/** Above this a chunk is none that others are like. */
const longestFramedLength = 8_192;

const mostEvents = 2_147_483_647;

/** A stream has a form for each of its choices and each kind of what is said; more than so many are not looked for. */
const mostFrames = 4;
const mostLessons = 16;

/** Reads the chunks of one stream: feeds the draft, and tells what the agent is to have. */
export class ChunkReader {
  readonly #options: ChunkReaderOptions;
  readonly #canLift: boolean;
  readonly #frames: EventFrame[] = [];
  #lessons = 0;
  /** The frame that read the last chunks, which the draft has not been fed yet. */
  #run: EventFrame | undefined;

  constructor(options: ChunkReaderOptions) {
    this.#options = options;
    const { view, isCaptured } = options;
    this.#canLift = isCaptured && !view.tokenIds && !view.logprobs;
  }

  /** Reads a chunk. The draft has it after `endRun`. @throws {WireError} */
  read(chunk: Buffer): void {
    this.endRun();
    if (!this.#canLift || !this.#lift(chunk)) this.#parse(chunk);
  }

  /** Reads the events from `start` on that are like chunks before them; returns where the first other one begins. */
  skim(bytes: Buffer, start: number): number {
    let at = start;
    for (let end = this.#skimRun(bytes, at); end !== undefined; end = this.#skimRun(bytes, at)) at = end;
    return at;
  }

  /** Feeds the draft what chunks of one frame said, as one chunk. */
  endRun(): void {
    if (this.#run === undefined) return;
    this.#feed(this.#run.payload(), this.#run.ids.view(), this.#run.logprobs.view());
    this.#run.clear();
    this.#run = undefined;
  }

  /** Reads events of one frame; returns the byte after the last one, undefined when the first is of none. */
  #skimRun(bytes: Buffer, start: number): number | undefined {
    const { output } = this.#options.sink;
    for (const frame of this.#frames) {
      const events = frame.read(bytes, start, output === undefined ? 1 : mostEvents);
      if (events === undefined) continue;
      if (this.#run !== frame) this.endRun();
      this.#run = frame;
      if (output === undefined) this.#tellRun(frame.payload());
      else output.append(events.shown);
      return events.end;
    }
    return undefined;
  }

  /** On another wire each chunk is told by its payload. */
  #tellRun(payload: Payload): void {
    this.endRun();
    this.#options.sink.event({ payload });
  }

  #feed(payload: Payload, ids: Int32Array, logprobs: Float32Array): void {
    const { draft, format } = this.#options;
    readPayload(payload, draft, format, true);
    const index = indexOf(onlyChoice(payload) ?? {});
    draft.addLogprobs(index, logprobs);
    draft.addTokens(index, ids);
    draft.markFirstToken();
  }

  #parse(chunk: Buffer): void {
    const { draft, format, view, isCaptured, url, sink } = this.#options;
    const isLong = this.#canLift && chunk.length > longListLength;
    const text = isLong ? undefined : chunk.toString();
    const payload = (isLong ? parseLifted(chunk) : undefined) ?? parseReply(text ?? chunk.toString(), url);
    refuseError(payload);
    readPayload(payload, draft, format, true);
    if (isCaptured) {
      if (!isForAgent(payload, view)) return;
      stripPayload(payload, view);
    }
    sink.event(isCaptured || text === undefined ? { payload } : { payload, text });
  }

  /** Reads a chunk without its lists, and learns its frame. */
  #lift(chunk: Buffer): boolean {
    if (chunk.length > longestFramedLength) return false;
    const lifted = liftEvent(chunk);
    if (lifted === undefined) return false;
    const text = bytesWithout(chunk, lifted).toString();
    const payload = parseReply(text, this.#options.url);
    refuseError(payload);
    if (onlyChoice(payload) === undefined) return false;
    this.#learn(chunk, lifted);
    this.#feed(payload, lifted.ids, lifted.logprobs);
    this.#options.sink.event({ payload, text });
    return true;
  }

  #learn(chunk: Buffer, lifted: Lifted): void {
    if (this.#frames.length === mostFrames || this.#lessons === mostLessons) return;
    this.#lessons += 1;
    const frame = learnFrame(chunk, lifted);
    if (frame !== undefined) this.#frames.push(frame);
  }
}

function refuseError(payload: Record<string, unknown>): void {
  const { error } = payload;
  if (error === undefined || error === null) return;
  const message = (error as { message?: unknown }).message;
  throw new WireError(
    `the upstream failed while it answered: ${typeof message === 'string' ? message.slice(0, 2_000) : 'no reason given'}`,
    { code: 'upstream-failed' },
  );
}
