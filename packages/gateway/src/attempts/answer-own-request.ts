import type { IncomingMessage, ServerResponse } from 'node:http';
import { promptKit } from '@agent-lightning/tracing';
import { enterGate, logCall, type AttemptCalls } from './answer-attempt-call.ts';
import type { AttemptSession } from './attempt-session.ts';
import type { CallOutcome } from '../calls/answer-call.ts';
import { captureCall } from '../capture/capture-call.ts';
import { readCaller, type Caller } from '../capture/caller.ts';
import type { JsonObject } from '../http/read-body.ts';
import { describeOwnCall } from '../own-models/own-request.ts';
import { forwardRequest, type ForwardedRequest } from '../own-models/forward-request.ts';
import type { KnownServers } from '../policies/own-models.ts';
import { findOwnRoute, type OwnRoute } from '../own-models/own-routes.ts';

/** A request of an agent whose own model answers. */
export interface OwnRequest {
  readonly servers: KnownServers;
  readonly session: AttemptSession;
  /** The agent that the path of the request names. */
  readonly agent: string | undefined;
  /** The path after the attempt's `/v1`. */
  readonly path: string;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** Hands a request on to the server that the agent asks by itself; a model call gets the texts that its rollout tries, and is traced. @throws {ReplyError} when it is refused */
export async function answerOwnRequest(calls: AttemptCalls, own: OwnRequest): Promise<void> {
  const { session, request } = own;
  const way = findOwnRoute(own.servers, own.path, request);
  if (way.method === 'GET') return await followRequest(calls, own, way);
  let text = '';
  const keepText = (_: JsonObject, given: string): number => {
    text = given;
    return 2 * given.length;
  };
  return await calls.bodies.withBody(
    session,
    request,
    (body) => followRequest(calls, own, way, { body, text }),
    keepText,
  );
}

/** A body, parsed and as it came. */
interface AskedBody {
  readonly body: JsonObject;
  readonly text: string;
}

async function followRequest(calls: AttemptCalls, own: OwnRequest, way: OwnRoute, asked?: AskedBody): Promise<void> {
  const { session, request, response } = own;
  const caller = readCaller(request.headers, own.agent);
  const controller = new AbortController();
  const work = async (): Promise<void> => {
    await enterGate(calls.gate, response, controller.signal);
    try {
      await session.holdReply(calls.options.maxAttemptReplyBytes, async (onReplyBytes) => {
        const { limits } = calls.options;
        const forwarded = { way, request, response, choices: 1, limits, controller, onReplyBytes };
        if (asked === undefined || way.call === undefined)
          await forwardRequest({ ...forwarded, ...(asked && { body: Buffer.from(asked.text) }) });
        else await forwardCall(calls, own, caller, { forwarded, asked, call: way.call });
      });
    } finally {
      calls.gate.leave();
    }
  };
  await session.follow(controller, work, caller.agentNames[0]);
}

interface AskedCall {
  readonly forwarded: Omit<ForwardedRequest, 'body'>;
  readonly asked: AskedBody;
  readonly call: NonNullable<OwnRoute['call']>;
}

/** Sends a model call on with the texts of its rollout, and keeps it in the trace. */
async function forwardCall(
  calls: AttemptCalls,
  { session }: OwnRequest,
  caller: Caller,
  { forwarded, asked, call: { dialect, route } }: AskedCall,
): Promise<void> {
  const { options, statistics } = calls;
  const { server } = forwarded.way;
  const text = promptText(session, caller, route, asked.text);
  const body = text === asked.text ? asked.body : (JSON.parse(text) as JsonObject);
  const ruled = describeOwnCall(dialect, body);
  const snapshot = { kind: 'openai', version: 0, baseUrl: server.baseUrl, model: ruled.request.model } as const;
  const end = captureCall({
    recorder: session.recorder,
    caller,
    dialect: dialect.name,
    policy: undefined,
    snapshot,
    ruled,
    announceAfterMs: options.announceAfterMs,
    onStart: (bytes) => session.countStored(bytes, options.maxAttemptStoredBytes),
    onEnd: (bytes) => session.countStored(bytes),
  });
  const outcome: CallOutcome = await forwardRequest({
    ...forwarded,
    choices: ruled.request.choices,
    body: Buffer.from(text),
  });
  const untrainable = end(outcome);
  statistics.count(outcome, untrainable);
  const admission = { policy: ruled.request.model, isPolicy: false, snapshot };
  logCall(calls.log, { session, dialect }, admission, outcome, untrainable);
}

/** Puts the texts of the rollout into a call, and writes down what was put in, or what stands there. */
function promptText(
  session: AttemptSession,
  caller: Caller,
  route: NonNullable<OwnRoute['call']>['route'],
  text: string,
): string {
  const { prompts, recorder, claim } = session;
  if (prompts === undefined) return text;
  const { resourcesId } = claim.rollout;
  const { body, records } = promptKit.promptBody({ route, agentNames: caller.agentNames, prompts, resourcesId }, text);
  const parentSpanId = caller.trace?.traceId === recorder.traceId ? caller.trace.spanId : undefined;
  for (const record of records)
    recorder.record({ kind: 'object', ...(parentSpanId !== undefined && { parentSpanId }), ...record });
  return body;
}
