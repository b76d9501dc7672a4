import type { IncomingMessage, ServerResponse } from 'node:http';
import { ReplyWriter } from '../http/reply-writer.ts';
import { answerModels, decodeSegment, expectMethod, unknownPath, type ListedModels } from '../http/routes.ts';
import { dialects, pathAfterVersion } from '../dialects/dialects.ts';
import { answerAttemptCall, answerEmbeddings, otherNames, type AttemptCalls } from './answer-attempt-call.ts';
import { answerOwnRequest } from './answer-own-request.ts';
import { toCallerName } from '../capture/caller.ts';
import { presentedKey } from './attempt-key.ts';
import type { AttemptRegistry } from './attempt-registry.ts';
import type { AttemptSession } from './attempt-session.ts';

/** The attempt that a request's path names, and the rest of the path. */
export interface AttemptPath {
  readonly rolloutId: string;
  readonly attemptId: string;
  /** The agent that the path names, as `…/agents/{name}/v1` or `…/v1/agents/{name}`. */
  readonly agent: string | undefined;
  /** The rest of the path, after `/v1`, which a client may leave out or give twice. */
  readonly path: string;
}

const pattern = /^\/rollout\/([^/]+)\/attempt\/([^/]+)(\/.+)$/u;
const agentPattern = /^\/agents\/([^/]+)(\/.+)$/u;

/** Parses the path of an attempt's URL; returns undefined for any other path. */
export function parseAttemptPath(path: string): AttemptPath | undefined {
  const match = pattern.exec(path);
  if (match === null) return undefined;
  const rest = pathAfterVersion(match[3] ?? '');
  const named = agentPattern.exec(rest);
  return {
    rolloutId: decodeSegment(match[1] ?? ''),
    attemptId: decodeSegment(match[2] ?? ''),
    agent: named === null ? undefined : toCallerName(decodeSegment(named[1] ?? '')),
    path: named === null ? rest : pathAfterVersion(named[2] ?? ''),
  };
}

/** Answers a request of an attempt's agent. @throws {ReplyError} */
export async function answerAttempt(
  calls: AttemptCalls,
  attempts: AttemptRegistry,
  at: AttemptPath,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const session = attempts.authorize(at.rolloutId, at.attemptId, presentedKey(request.headers));
  calls.trust(request);
  if (calls.own !== undefined)
    return answerOwnRequest(calls, { servers: calls.own, session, agent: at.agent, path: at.path, request, response });
  const listing = answerModels(at.path, request, listedModels(calls, session));
  if (listing !== undefined) return new ReplyWriter(response).json(listing);
  const dialect = dialects.get(at.path);
  if (dialect === undefined && at.path !== '/embeddings')
    throw unknownPath(at.path, `${[...dialects.keys()].join(', ')}, /embeddings and /models`);
  expectMethod(request, 'POST');
  return dialect === undefined
    ? answerEmbeddings(calls, { session, request, response })
    : answerAttemptCall(calls, { session, agent: at.agent, dialect, request, response });
}

function listedModels(calls: AttemptCalls, session: AttemptSession): ListedModels {
  const { policies } = calls;
  const others = otherNames(calls, session);
  const isServed = (name: string): boolean => policies.names.includes(policies.resolve(name, others));
  return { names: policies.listed(others), has: isServed };
}
