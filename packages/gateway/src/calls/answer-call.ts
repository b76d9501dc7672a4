import type { ServerResponse } from 'node:http';
import type { PolicySnapshot } from '@agent-lightning/core';
import type { ReplySink } from '../http/reply-sink.ts';
import type { ReplyReader } from '../reply-reader/reply-reader.ts';
import type { Servers } from '../upstream/ask-upstream.ts';
import { toReplyError, ReplyError } from '../http/reply-error.ts';
import type { CallLimits } from './call-limits.ts';
import { callEngine } from '../engine/call-engine.ts';
import { callUpstream } from '../upstream/call-upstream.ts';
import type { ModelRequest } from '../request/model-request.ts';
import type { CallProgress } from '../reply/model-call.ts';
import { ReplyDraft, type ModelReply } from '../reply/model-reply.ts';

/** The result of a call. */
export interface CallOutcome {
  /** `incomplete`: the agent did not get the whole reply, though some of it was there. */
  readonly status: 'ok' | 'incomplete' | 'failed';
  readonly reply: ModelReply;
  readonly error: ReplyError | undefined;
  readonly timeToFirstTokenMs: number | undefined;
  /** The time from admission to the last byte. */
  readonly durationMs: number;
  readonly retries: number;
  /** The server that answered, if one did. */
  readonly upstream: URL | undefined;
}

export interface CallExchange {
  readonly request: ModelRequest;
  readonly snapshot: PolicySnapshot;
  readonly servers: Servers;
  /** Reads the replies of servers. */
  readonly reader: ReplyReader;
  /** Closes when the agent goes away. */
  readonly response: ServerResponse;
  readonly sink: ReplySink;
  readonly limits: CallLimits;
  /** Tells whether ids, log-probabilities and usage are captured. */
  readonly isCaptured: boolean;
  /** Ends the call from outside, such as when its attempt ends. */
  readonly controller: AbortController;
  /** Called with the size of each piece of an upstream's reply; what it throws ends the call. @default none */
  readonly onReplyBytes?: (bytes: number) => void;
}

/** Returns the error of a call whose agent went away. */
export function agentLeft(): ReplyError {
  return new ReplyError('the agent closed the connection before it had its reply', { code: 'cancelled' });
}

/** Aborts a call that takes too long; returns the timer to clear when it ends. */
export function abortWhenLate(controller: AbortController, { callTimeoutMs }: CallLimits): NodeJS.Timeout {
  const error = (): ReplyError =>
    new ReplyError(`the call took longer than ${callTimeoutMs} ms`, {
      code: 'upstream-timeout',
      replyCode: 'call-timeout',
    });
  return setTimeout(() => controller.abort(error()), callTimeoutMs);
}

/** Sends the agent a sign that the call goes on, each time that so long has passed; returns what ends that. */
function keepWaiting(sink: ReplySink, isStream: boolean, { heartbeatMs }: CallLimits): () => void {
  if (heartbeatMs === 0) return () => undefined;
  let timer = setTimeout(beat, heartbeatMs);
  function beat(): void {
    sink.beat(isStream);
    timer = setTimeout(beat, heartbeatMs);
  }
  return () => clearTimeout(timer);
}

function route(exchange: CallExchange, draft: ReplyDraft, progress: CallProgress, deadlineMs: number): Promise<void> {
  const { request, snapshot, isCaptured, limits } = exchange;
  const call = { request, sink: exchange.sink, draft, isCaptured, progress, signal: exchange.controller.signal };
  return snapshot.kind === 'engine'
    ? callEngine({ ...call, snapshot })
    : callUpstream(
        {
          ...call,
          snapshot,
          servers: exchange.servers,
          reader: exchange.reader,
          onReplyBytes: exchange.onReplyBytes,
        },
        { ...limits, deadlineMs },
      );
}

/** Returns what is known of a call that has ended now. */
export function outcomeOf(
  draft: ReplyDraft,
  error: ReplyError | undefined,
  startedAtMs: number,
): Omit<CallOutcome, 'retries' | 'upstream'> {
  const isCutShort = error?.code === 'cancelled' || draft.firstTokenAtMs !== undefined;
  return {
    status: error === undefined ? 'ok' : isCutShort ? 'incomplete' : 'failed',
    reply: draft.toReply(),
    error,
    timeToFirstTokenMs: draft.firstTokenAtMs === undefined ? undefined : draft.firstTokenAtMs - startedAtMs,
    durationMs: performance.now() - startedAtMs,
  };
}

/** Answers one request from a snapshot and resolves with the result; never rejects. */
export async function answerCall(exchange: CallExchange): Promise<CallOutcome> {
  const { response, sink, controller, limits } = exchange;
  const startedAtMs = performance.now();
  const draft = new ReplyDraft(exchange.request.choices);
  const progress: CallProgress = { retries: 0 };
  const onClose = (): void => {
    if (!response.writableFinished) controller.abort(agentLeft());
  };
  response.on('close', onClose);
  if (response.destroyed) onClose();
  const timer = abortWhenLate(controller, limits);
  const stopWaiting = keepWaiting(sink, exchange.request.view.stream, limits);
  let error: ReplyError | undefined;
  try {
    await route(exchange, draft, progress, startedAtMs + limits.callTimeoutMs);
    stopWaiting();
    if (!(await sink.delivered())) error = agentLeft();
  } catch (caught) {
    error = toReplyError(caught);
    sink.fail(error);
  } finally {
    stopWaiting();
    clearTimeout(timer);
    response.off('close', onClose);
  }
  return {
    ...outcomeOf(draft, error, startedAtMs),
    retries: progress.retries,
    upstream: progress.upstream,
  };
}
