import type { IncomingMessage, ServerResponse } from 'node:http';
import { ReplyWriter } from '../http/reply-writer.ts';
import { decodeSegment, expectMethod, modelList, unknownPath } from '../http/routes.ts';
import { dialects, pathAfterVersion } from '../dialects/dialects.ts';
import { answerAttemptCall, answerEmbeddings, type AttemptCalls } from './answer-attempt-call.ts';
import { answerOwnRequest } from './answer-own-request.ts';
import { presentedKey } from './attempt-key.ts';
import type { AttemptRegistry } from './attempt-registry.ts';

/** The attempt that a request's path names, and the rest of the path. */
export interface AttemptPath {
  readonly rolloutId: string;
  readonly attemptId: string;
  /** The rest of the path, after `/v1`, which a client may leave out or give twice. */
  readonly path: string;
}

const pattern = /^\/rollout\/([^/]+)\/attempt\/([^/]+)(\/.+)$/u;

/** Parses the path of an attempt's URL; returns undefined for any other path. */
export function parseAttemptPath(path: string): AttemptPath | undefined {
  const match = pattern.exec(path);
  if (match === null) return undefined;
  return {
    rolloutId: decodeSegment(match[1] ?? ''),
    attemptId: decodeSegment(match[2] ?? ''),
    path: pathAfterVersion(match[3] ?? ''),
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
    return answerOwnRequest(calls, { servers: calls.own, session, path: at.path, request, response });
  if (at.path === '/models') {
    expectMethod(request, 'GET');
    return new ReplyWriter(response).json(modelList(calls.policies.names));
  }
  const dialect = dialects.get(at.path);
  if (dialect === undefined && at.path !== '/embeddings')
    throw unknownPath(at.path, `${[...dialects.keys()].join(', ')}, /embeddings and /models`);
  expectMethod(request, 'POST');
  return dialect === undefined
    ? answerEmbeddings(calls, { session, request, response })
    : answerAttemptCall(calls, { session, dialect, request, response });
}
