import { ReplyError } from '../http/reply-error.ts';
import { quoteUpstream } from './hide-key.ts';
import { parseReply } from './parse-reply.ts';
import { isForAgent, readPayload, stripPayload, type Payload } from './reply-format.ts';
import type { FastPathCounts, ReplyReader, ReplyTarget, StreamReader } from './reply-reader.ts';

/** Reads everything with the JSON parser. */
export class JsonReplyReader implements ReplyReader {
  readonly counts: FastPathCounts = { hits: 0, misses: 0 };

  readWhole(bytes: Buffer, target: ReplyTarget): Payload {
    if (target.isCaptured) this.counts.misses += 1;
    return takeReply(parseReply(bytes.toString(), target.url), target);
  }

  openStream(target: ReplyTarget): StreamReader {
    return {
      readEvents: (_bytes, start) => start,
      readEvent: (data) => {
        if (target.isCaptured) this.counts.misses += 1;
        const text = data.toString();
        takeChunk(parseReply(text, target.url), target, text);
      },
      end: () => undefined,
    };
  }
}

/** Feeds the draft from a whole reply, and returns what the agent is to have of it. */
export function takeReply(payload: Payload, { draft, format, isCaptured, view }: ReplyTarget): Payload {
  readPayload(payload, draft, format, false);
  if (isCaptured) stripPayload(payload, view);
  return payload;
}

/** Feeds the draft from a chunk, and hands the sink what the agent is to have of it. @throws {ReplyError} for an upstream's error */
export function takeChunk(payload: Payload, target: ReplyTarget, text?: string): void {
  const { draft, format, isCaptured, sink, view } = target;
  rejectError(payload, target.apiKey);
  readPayload(payload, draft, format, true);
  if (!isCaptured) return sink.event(text === undefined ? { payload } : { payload, text });
  if (!isForAgent(payload, view)) return undefined;
  stripPayload(payload, view);
  return sink.event({ payload });
}

function rejectError({ error }: Payload, apiKey: string | undefined): void {
  if (error === undefined || error === null) return;
  const message: unknown = typeof error === 'string' ? error : (error as { message?: unknown }).message;
  throw new ReplyError(
    `the upstream failed while it answered: ${quoteUpstream(message, apiKey) ?? 'no reason given'}`,
    { code: 'upstream-failed' },
  );
}
