import type { ReplyDraft } from '../reply/model-reply.ts';
import type { ReplyView } from '../request/model-request.ts';
import type { ReplySink } from '../http/reply-sink.ts';
import { WireError } from '../http/wire-error.ts';
import { chunkAt, learnFrame, type EventFrame } from './event-frame.ts';
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

/** No limit, as the scanner can be told it. */
const mostEvents = 2_147_483_647;

/** A stream has a form for each of its choices and each kind of what is said; more than so many are not looked for. */
const mostFrames = 8;
const mostLessons = 64;

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

  /** Reads a chunk that `skim` left. @throws {WireError} */
  read(chunk: Buffer): void {
    this.endRun();
    this.#parse(chunk);
  }

  /** Reads the events from `start` on that chunks of the stream have in common; the draft has them after `endRun`. Returns where the first other one begins. */
  skim(bytes: Buffer, start: number): number {
    let at = start;
    for (;;) {
      const end = this.#skimRun(bytes, at) ?? (this.#learn(bytes, at) ? this.#skimRun(bytes, at) : undefined);
      if (end === undefined) return at;
      at = end;
    }
  }

  /** Feeds the draft what chunks of one frame said, as one chunk. */
  endRun(): void {
    if (this.#run === undefined) return;
    const { draft, format } = this.#options;
    const payload = this.#run.payload();
    const index = indexOf(onlyChoice(payload) ?? {});
    readPayload(payload, draft, format, true);
    draft.addLogprobs(index, this.#run.logprobs.view());
    draft.addTokens(index, this.#run.ids.view());
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
      this.#options.draft.markFirstToken();
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

  /** Whether the event at `start` has a form that was not known; it is known then. */
  #learn(bytes: Buffer, start: number): boolean {
    if (!this.#canLift || this.#frames.length === mostFrames || this.#lessons === mostLessons) return false;
    const chunk = chunkAt(bytes, start);
    if (chunk === undefined) return false;
    this.#lessons += 1;
    const frame = learnFrame(chunk);
    if (frame !== undefined) this.#frames.push(frame);
    return frame !== undefined;
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
