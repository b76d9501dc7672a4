import type { IncomingMessage } from 'node:http';
import type { PolicyRelease } from '@agent-lightning/core';
import type { JsonObject } from '../http/read-body.ts';
import type { ReplyEvent } from '../http/reply-sink.ts';
import { WireError } from '../http/wire-error.ts';
import { askUpstream, type AskLimits, type Servers } from '../upstream/ask-upstream.ts';
import { chatFormat } from '../upstream/chat-format.ts';
import { completionFormat } from '../upstream/completion-format.ts';
import { EventStreamParser } from '../upstream/event-stream.ts';
import { readBody, readWhole, shownUrl } from '../upstream/http-exchange.ts';
import { liftEvent } from '../upstream/lift-event.ts';
import { parseLifted } from '../upstream/lift-numbers.ts';
import { isForAgent, isPayload, readPayload, stripPayload, type ReplyFormat } from '../upstream/reply-format.ts';
import type { ModelCall } from './model-call.ts';

/** A call to an OpenAI-compatible server. */
export interface UpstreamCall extends ModelCall<Extract<PolicyRelease, { kind: 'openai' }>> {
  readonly servers: Servers;
}

/** What bounds a call to an upstream. */
export interface UpstreamLimits extends AskLimits {
  readonly maxReplyBytes: number;
}

/** Sampling from the policy's own distribution, said outright: a model's own generation config may differ from it. */
const policyDistribution: JsonObject = { top_p: 1, top_k: -1, min_p: 0, repetition_penalty: 1 };

function formatOf({ request }: UpstreamCall): ReplyFormat {
  return request.input.kind === 'chat' ? chatFormat : completionFormat;
}

function upstreamBody(call: UpstreamCall): Buffer {
  const { request, release } = call;
  const captured = call.isCaptured
    ? {
        ...policyDistribution,
        ...formatOf(call).captureFields(request),
        ...(request.view.stream
          ? { stream_options: { ...(request.body['stream_options'] as object | null), include_usage: true } }
          : {}),
      }
    : {};
  return Buffer.from(JSON.stringify({ ...request.body, ...captured, model: release.model }));
}

function expectType(reply: IncomingMessage, wanted: string, url: URL): void {
  const type = reply.headers['content-type'] ?? '';
  if (type.toLowerCase().startsWith(wanted)) return;
  throw new WireError(
    `the upstream ${shownUrl(url)} answered with the content type "${type.slice(0, 80)}", not ${wanted}`,
    { code: 'upstream-malformed', wireCode: 'upstream-content-type' },
  );
}

function parseObject(text: string, url: URL): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new WireError(`the upstream ${shownUrl(url)} sent JSON that is cut off or broken`, {
      code: 'upstream-malformed',
      wireCode: 'upstream-bad-json',
      cause,
    });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new WireError(`the upstream ${shownUrl(url)} sent JSON that is not an object`, {
      code: 'upstream-malformed',
      wireCode: 'upstream-bad-json',
    });
  return value as Record<string, unknown>;
}

async function answerWhole(
  call: UpstreamCall,
  reply: IncomingMessage,
  url: URL,
  limits: UpstreamLimits,
): Promise<void> {
  expectType(reply, 'application/json', url);
  const bytes = await readWhole(reply, url, limits.maxReplyBytes, call.signal);
  const { view } = call.request;
  const canLift = call.isCaptured && !view.tokenIds && !view.logprobs;
  const payload = (canLift ? parseLifted(bytes) : undefined) ?? parseObject(bytes.toString('utf8'), url);
  readPayload(payload, call.draft, formatOf(call), false);
  if (!Array.isArray(payload['choices']) || !call.draft.isFinished)
    throw new WireError(`the upstream ${shownUrl(url)} sent a reply without all of its choices`, {
      code: 'upstream-malformed',
    });
  if (call.isCaptured) stripPayload(payload, call.request.view);
  call.sink.json(payload);
}

/** Above this a chunk holds a long list, which is read straight from the bytes. */
const longEventLength = 8_192;

/** A chunk with its ids and log-probabilities, and its text for an agent that asked for neither, where that was cheap to get. */
function parseChunk(call: UpstreamCall, event: string, url: URL): { payload: Record<string, unknown>; text?: string } {
  const { view } = call.request;
  if (!call.isCaptured) return { payload: parseObject(event, url), text: event };
  if (view.tokenIds || view.logprobs) return { payload: parseObject(event, url) };
  if (event.length > longEventLength) return { payload: parseLifted(Buffer.from(event)) ?? parseObject(event, url) };
  const lifted = liftEvent(event);
  if (lifted === undefined) return { payload: parseObject(event, url) };
  const payload = parseObject(lifted.text, url);
  const choices = payload['choices'];
  const choice: unknown = Array.isArray(choices) && choices.length === 1 ? choices[0] : undefined;
  if (!isPayload(choice)) return { payload: parseObject(event, url) };
  choice['token_ids'] = lifted.ids;
  choice['logprobs'] = Float32Array.from(lifted.logprobs);
  return { payload, text: lifted.text };
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

/** The chunks of one read that the agent is to have; `[DONE]` is ours to send, once all is known to be well. */
function chunksForAgent(
  call: UpstreamCall,
  events: readonly string[],
  url: URL,
): { readonly chunks: readonly ReplyEvent[]; readonly isDone: boolean } {
  const chunks: ReplyEvent[] = [];
  const format = formatOf(call);
  for (const event of events) {
    if (event === '[DONE]') return { chunks, isDone: true };
    const chunk = parseChunk(call, event, url);
    refuseError(chunk.payload);
    readPayload(chunk.payload, call.draft, format, true);
    if (call.isCaptured) {
      if (!isForAgent(chunk.payload, call.request.view)) continue;
      if (chunk.text === undefined) stripPayload(chunk.payload, call.request.view);
    }
    chunks.push(chunk);
  }
  return { chunks, isDone: false };
}

async function answerStream(
  call: UpstreamCall,
  reply: IncomingMessage,
  url: URL,
  limits: UpstreamLimits,
): Promise<void> {
  expectType(reply, 'text/event-stream', url);
  const parser = new EventStreamParser();
  for await (const bytes of readBody(reply, url, limits.maxReplyBytes, call.signal)) {
    const { chunks, isDone } = chunksForAgent(call, parser.push(bytes), url);
    if (chunks.length > 0) await call.sink.events(chunks);
    if (isDone) break;
  }
  if (!call.draft.isFinished)
    throw new WireError(`the upstream ${shownUrl(url)} ended its stream before the reply was complete`, {
      code: 'upstream-malformed',
      wireCode: 'upstream-truncated',
    });
  call.sink.endEvents();
}

/** Answers a call from an OpenAI-compatible server; chunks reach the agent as they come. @throws {WireError} */
export async function callUpstream(call: UpstreamCall, limits: UpstreamLimits): Promise<void> {
  const { release, servers, signal, progress } = call;
  const { reply, url } = await askUpstream(
    {
      release,
      servers,
      signal,
      path: formatOf(call).path,
      body: upstreamBody(call),
      accept: call.request.view.stream ? 'text/event-stream' : 'application/json',
      onRetry: () => {
        progress.retries += 1;
      },
    },
    limits,
  );
  progress.upstream = url;
  try {
    await (call.request.view.stream ? answerStream(call, reply, url, limits) : answerWhole(call, reply, url, limits));
    // What may follow `[DONE]` is read and forgotten, so that the connection can be used again.
    reply.resume();
  } catch (error) {
    reply.destroy();
    throw error;
  }
}
