import type { ReplySink } from '../http/reply-sink.ts';
import type { ReplyDraft } from '../reply/model-reply.ts';
import type { ReplyView } from '../request/model-request.ts';
import type { Payload, ReplyFormat } from './reply-format.ts';

/** One reply to read: its format, and the draft and sink that it goes to. */
export interface ReplyTarget {
  readonly format: ReplyFormat;
  readonly view: ReplyView;
  readonly draft: ReplyDraft;
  /** Tells whether the reply holds fields that the agent did not ask for. */
  readonly isCaptured: boolean;
  readonly url: URL;
  /** The key that the upstream was given, which no error may repeat. */
  readonly apiKey?: string | undefined;
  /** Takes what the agent is to have of a stream. */
  readonly sink: Pick<ReplySink, 'event' | 'output'>;
}

/** Counts captured replies and chunks of streams: hits were read by the fast path, misses by the JSON parser. */
export interface FastPathCounts {
  hits: number;
  misses: number;
}

/** Reads what upstreams send: feeds the draft, and gives the agent what it asked for. Every reader gives the same. */
export interface ReplyReader {
  readonly counts: FastPathCounts;
  /** Returns what the agent is to have of a whole reply. @throws {ReplyError} */
  readWhole(bytes: Buffer, target: ReplyTarget): Payload;
  openStream(target: ReplyTarget): StreamReader;
}

/** Reads the events of one stream. */
export interface StreamReader {
  /** Reads those events from `start` on that need no parser, if any; returns where the first other one begins. */
  readEvents(bytes: Buffer, start: number): number;
  /** Reads the data of an event that `readEvents` left. @throws {ReplyError} */
  readEvent(data: Buffer): void;
  /** Feeds the draft what was read and not handed to it yet. */
  end(): void;
}
