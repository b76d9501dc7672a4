import type { ReplyDraft } from '../chat/model-reply.ts';
import type { ReplyView } from '../chat/model-request.ts';
import type { ReplyEvent } from '../http/reply-sink.ts';
import { WireError } from '../http/wire-error.ts';
import { learnFrame, type EventFrame } from './event-frame.ts';
import { liftEvent, textWithout, type Lifted } from './lift-event.ts';
import { parseLifted } from './lift-numbers.ts';
import { parseReply } from './parse-reply.ts';
import { indexOf, isForAgent, onlyChoice, readPayload, stripPayload, type ReplyFormat } from './reply-format.ts';

export interface ChunkReaderOptions {
  readonly format: ReplyFormat;
  readonly view: ReplyView;
  readonly draft: ReplyDraft;
  /** Whether the chunks hold what the agent did not ask for. */
  readonly isCaptured: boolean;
  readonly url: URL;
}

/** A chunk whose ids and log-probabilities were read apart from the rest. */
interface LiftedChunk extends Pick<Lifted, 'ids' | 'logprobs'>, ReplyEvent {}

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

  constructor(options: ChunkReaderOptions) {
    this.#options = options;
    const { view, isCaptured } = options;
    this.#canLift = isCaptured && !view.tokenIds && !view.logprobs;
  }

  /** The chunk that stands from `start` to `end`, for the agent; undefined when it is not for it. Good until the next one is read. @throws {WireError} */
  read(text: string, start: number, end: number): ReplyEvent | undefined {
    const chunk = this.#canLift ? this.#lift(text, start, end) : undefined;
    if (chunk === undefined) return this.#parse(text.slice(start, end));
    const { draft, format } = this.#options;
    readPayload(chunk.payload, draft, format, true);
    const index = indexOf(onlyChoice(chunk.payload) ?? {});
    draft.addLogprobs(index, chunk.logprobs);
    draft.addTokens(index, chunk.ids);
    draft.markFirstToken();
    return chunk;
  }

  #parse(text: string): ReplyEvent | undefined {
    const { draft, format, view, isCaptured, url } = this.#options;
    const isLong = this.#canLift && text.length > longEventLength;
    const payload = (isLong ? parseLifted(Buffer.from(text)) : undefined) ?? parseReply(text, url);
    refuseError(payload);
    readPayload(payload, draft, format, true);
    if (!isCaptured) return { payload, text };
    if (!isForAgent(payload, view)) return undefined;
    stripPayload(payload, view);
    return { payload };
  }

  /** Reads a chunk without its lists, through a frame if there is one for it. */
  #lift(text: string, start: number, end: number): LiftedChunk | undefined {
    for (const frame of this.#frames) if (frame.read(text, start, end)) return frame;
    if (end - start > longEventLength) return undefined;
    const event = text.slice(start, end);
    const lifted = liftEvent(event);
    if (lifted === undefined) return undefined;
    const shown = textWithout(event, lifted);
    const payload = parseReply(shown, this.#options.url);
    refuseError(payload);
    if (onlyChoice(payload) === undefined) return undefined;
    this.#learn(event, lifted);
    return { payload, text: shown, ids: lifted.ids, logprobs: lifted.logprobs };
  }

  #learn(event: string, lifted: Lifted): void {
    if (this.#frames.length === mostFrames || this.#lessons === mostLessons) return;
    this.#lessons += 1;
    const frame = learnFrame(event, lifted);
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
