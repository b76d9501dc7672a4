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

/** Above this a chunk holds a long list, which is read straight from the bytes. */
const longEventLength = 8_192;

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

  /** Reads the chunk that stands from `start` to `end`. The draft has it after `endRun`. @throws {WireError} */
  read(bytes: Buffer, start: number, end: number): void {
    if (this.#canLift && this.#readFramed(bytes, start, end)) return;
    this.endRun();
    const chunk = bytes.subarray(start, end);
    if (!this.#canLift || !this.#lift(chunk)) this.#parse(chunk);
  }

  /** Feeds the draft what chunks of one frame said, as one chunk. */
  endRun(): void {
    if (this.#run === undefined) return;
    this.#feed(this.#run.payload(), this.#run.ids.view(), this.#run.logprobs.view());
    this.#run.clear();
    this.#run = undefined;
  }

  #readFramed(bytes: Buffer, start: number, end: number): boolean {
    const { output } = this.#options.sink;
    // Most chunks are like the one before.
    let frame = this.#run;
    if (frame?.read(bytes, start, end, output) !== true) {
      frame = this.#frames.find((one) => one !== this.#run && one.read(bytes, start, end, output));
      if (frame === undefined) return false;
      this.endRun();
      this.#run = frame;
    }
    if (output !== undefined) return true;
    // On another wire each chunk is told by its payload.
    const payload = frame.payload();
    this.endRun();
    this.#options.sink.event({ payload });
    return true;
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
    const isLong = this.#canLift && chunk.length > longEventLength;
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
    if (chunk.length > longEventLength) return false;
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
