import type { PolicySnapshot } from '@agent-lightning/core';
import type { JsonObject } from '../http/read-body.ts';
import { ReplyError } from '../http/reply-error.ts';
import { askUpstream, reportFailure, type AskLimits, type Question, type Servers } from './ask-upstream.ts';
import { chatFormat } from '../reply-reader/chat-format.ts';
import { completionFormat } from '../reply-reader/completion-format.ts';
import { EventStreamParser } from '../reply-reader/event-stream.ts';
import { shownUrl } from '../http/shown-url.ts';
import { quoteUpstream, withoutKey } from '../reply-reader/hide-key.ts';
import { readBody, readWhole, type HttpReply } from './http-exchange.ts';
import type { ReplyFormat } from '../reply-reader/reply-format.ts';
import type { ReplyReader, ReplyTarget } from '../reply-reader/reply-reader.ts';
import type { ModelCall } from '../reply/model-call.ts';

/** A call to an OpenAI-compatible server. */
export interface UpstreamCall extends ModelCall<Extract<PolicySnapshot, { kind: 'openai' }>> {
  readonly servers: Servers;
  readonly reader: ReplyReader;
  /** Called with the size of each piece of the reply; what it throws ends the call. */
  readonly onReplyBytes?: ((bytes: number) => void) | undefined;
}

/** The limits of a call to an upstream. */
export interface UpstreamLimits extends AskLimits {
  readonly maxReplyBytes: number;
}

/** The fields that ask for the policy's own distribution explicitly: a model's own generation config may differ from it. */
const policyDistribution: JsonObject = { top_p: 1, top_k: -1, min_p: 0, repetition_penalty: 1 };

function formatOf({ request }: UpstreamCall): ReplyFormat {
  return request.input.kind === 'chat' ? chatFormat : completionFormat;
}

function upstreamBody(call: UpstreamCall): Buffer {
  const { request, snapshot } = call;
  const captured = call.isCaptured
    ? {
        ...policyDistribution,
        ...formatOf(call).captureFields(request),
        ...(request.view.stream
          ? { stream_options: { ...(request.body['stream_options'] as object | null), include_usage: true } }
          : {}),
      }
    : {};
  return Buffer.from(JSON.stringify({ ...request.body, ...captured, model: snapshot.model }));
}

/** Checks the content type of a reply. @throws {ReplyError} `upstream-malformed` */
export function expectType(reply: HttpReply, wanted: string, url: URL, apiKey: string | undefined): void {
  const type = reply.header('content-type') ?? '';
  if (type.toLowerCase().startsWith(wanted)) return;
  throw new ReplyError(
    `the upstream ${shownUrl(url)} answered with the content type "${quoteUpstream(type, apiKey, 80)}", not ${wanted}`,
    { code: 'upstream-malformed', replyCode: 'upstream-content-type' },
  );
}

function targetOf(call: UpstreamCall, url: URL): ReplyTarget {
  const { draft, isCaptured, request, sink, snapshot } = call;
  const { apiKey } = snapshot;
  return { format: formatOf(call), view: request.view, draft, isCaptured, url, apiKey, sink };
}

async function answerWhole(call: UpstreamCall, reply: HttpReply, url: URL, limits: UpstreamLimits): Promise<void> {
  expectType(reply, 'application/json', url, call.snapshot.apiKey);
  const { maxReplyBytes: limitBytes, stallTimeoutMs } = limits;
  const { signal, onReplyBytes: onBytes } = call;
  const bytes = await readWhole(reply, { url, limitBytes, signal, stallTimeoutMs, onBytes });
  const payload = call.reader.readWhole(bytes, targetOf(call, url));
  if (!Array.isArray(payload['choices']) || !call.draft.isFinished)
    throw new ReplyError(`the upstream ${shownUrl(url)} sent a reply without all of its choices`, {
      code: 'upstream-malformed',
    });
  call.sink.json(payload);
}

const done = Buffer.from('[DONE]');

async function answerStream(call: UpstreamCall, reply: HttpReply, url: URL, limits: UpstreamLimits): Promise<void> {
  expectType(reply, 'text/event-stream', url, call.snapshot.apiKey);
  const { sink, signal, onReplyBytes: onBytes } = call;
  const reader = call.reader.openStream(targetOf(call, url));
  let isDone = false;
  const parser = new EventStreamParser(
    (data) => {
      // `[DONE]` is ours to send, once all is known to be well.
      isDone ||= data.equals(done);
      if (!isDone) reader.readEvent(data);
    },
    (bytes, start) => (isDone ? start : reader.readEvents(bytes, start)),
    { url },
  );
  try {
    await readBody(reply, { url, limitBytes: limits.maxReplyBytes, signal, onBytes }, (pieces, isLast) => {
      parser.push(pieces);
      // Before its first token a model may think, or wait for its turn; the deadline of the call bounds that.
      if (call.draft.firstTokenAtMs !== undefined) reply.watchSilence(url, limits.stallTimeoutMs);
      if (isLast) return undefined;
      const drained = sink.flush();
      return isDone ? 'enough' : drained;
    });
  } finally {
    reader.end();
  }
  if (!call.draft.isFinished)
    throw new ReplyError(`the upstream ${shownUrl(url)} ended its stream before the reply was complete`, {
      code: 'upstream-malformed',
      replyCode: 'upstream-truncated',
    });
  call.sink.endEvents();
}

/** Answers a call from an OpenAI-compatible server; chunks reach the agent as they come. @throws {ReplyError} */
export async function callUpstream(call: UpstreamCall, limits: UpstreamLimits): Promise<void> {
  const { snapshot, servers, signal, progress } = call;
  const question: Question = {
    snapshot,
    servers,
    signal,
    path: formatOf(call).path,
    body: upstreamBody(call),
    accept: call.request.view.stream ? 'text/event-stream' : 'application/json',
    onRetry: () => {
      progress.retries += 1;
    },
  };
  const { reply, url, baseUrl } = await askUpstream(question, limits);
  progress.upstream = url;
  try {
    await (call.request.view.stream ? answerStream(call, reply, url, limits) : answerWhole(call, reply, url, limits));
  } catch (caught) {
    const error = withoutKey(caught, snapshot.apiKey);
    reply.destroy();
    reportFailure(question, baseUrl, error);
    throw error;
  }
}
