import type { PolicySnapshot } from '@agent-lightning/core';
import { retryAfterMs } from '@agent-lightning/platform';
import { ReplyError } from '../http/reply-error.ts';
import type { EndpointPool } from '../policies/endpoint-pool.ts';
import { withoutKey } from '../reply-reader/hide-key.ts';
import { exchange, readWhole, type HttpReply } from './http-exchange.ts';
import { retryWaitMs, waitToRetry, type RetryLimits } from './retry.ts';
import { isServerFault, statusError } from './upstream-error.ts';
import { awaitServers } from './await-servers.ts';

/** The servers that answer for a snapshot, and the choice of one for a call. */
export interface Servers {
  readonly pool: EndpointPool;
  /** The name by which calls stay on one server. */
  readonly affinity: string;
}

export interface Question {
  readonly snapshot: Extract<PolicySnapshot, { kind: 'openai' }>;
  readonly servers: Servers;
  /** The path under the base URL. */
  readonly path: string;
  readonly body: Buffer;
  readonly accept: string;
  readonly signal: AbortSignal;
  /** Called before each try after the first. */
  readonly onRetry: () => void;
}

export interface AskLimits extends RetryLimits {
  readonly stallTimeoutMs: number;
  /** The time by `performance.now()` at which the call must be over. */
  readonly deadlineMs: number;
}

/** The head of an upstream's good reply, and who sent it. */
export interface UpstreamReply {
  readonly reply: HttpReply;
  readonly url: URL;
  readonly baseUrl: string;
}

interface Failure {
  readonly error: ReplyError;
  readonly askedMs: number | undefined;
}

function urlOf(baseUrl: string, path: string): URL {
  return new URL(`${baseUrl.replace(/\/+$/u, '')}${path}`);
}

/** Asks one server once. @throws {ReplyError} for a failure that another try cannot correct */
async function askOnce(question: Question, baseUrl: string, limits: AskLimits): Promise<UpstreamReply | Failure> {
  const { body, accept, signal, snapshot } = question;
  const { apiKey, model, watch } = snapshot;
  const url = urlOf(baseUrl, question.path);
  try {
    const reply = await exchange({ url, body, accept, apiKey, signal });
    if (reply.statusCode === 200) return { reply, url, baseUrl };
    const text = await readWhole(reply, { url, limitBytes: 1_048_576, signal, stallTimeoutMs: limits.stallTimeoutMs });
    const error = statusError(reply, text, { url, apiKey, watchedModel: watch === undefined ? undefined : model });
    if (!error.retryable) throw error;
    return { error, askedMs: retryAfterMs(reply.header('retry-after')) };
  } catch (caught) {
    const error = withoutKey(caught, apiKey);
    if (!(error instanceof ReplyError) || !error.retryable || signal.aborted) throw error;
    return { error, askedMs: undefined };
  }
}

/** Reports that a server failed a call: it may leave the pool, and the `watch` of its snapshot is told. */
export function reportFailure({ snapshot, servers, signal }: Question, baseUrl: string, error: unknown): void {
  if (!isServerFault(error) || signal.aborted) return;
  servers.pool.failed(baseUrl, snapshot.apiKey);
  snapshot.watch?.reportFailure(baseUrl);
}

/**
 * Asks until a server answers with a 200, or may not be asked again; a server that fails is left for another. While no server
 * of a watched snapshot is well, the call waits for one.
 * @throws {ReplyError}
 */
export async function askUpstream(question: Question, limits: AskLimits): Promise<UpstreamReply> {
  const { snapshot, signal } = question;
  const { pool, affinity } = question.servers;
  const tried = new Set<string>();
  for (let retry = 0; ; retry += 1) {
    const baseUrls = await awaitServers(snapshot, signal);
    const baseUrl = pool.choose(baseUrls, affinity, tried);
    let result: UpstreamReply | Failure;
    try {
      result = await askOnce(question, baseUrl, limits);
    } catch (error) {
      reportFailure(question, baseUrl, error);
      throw error;
    }
    if ('reply' in result) {
      pool.succeeded(baseUrl);
      return result;
    }
    reportFailure(question, baseUrl, result.error);
    if (retry === limits.maxRetries) throw result.error;
    tried.add(baseUrl);
    const isOtherLeft = baseUrls.some((url) => !tried.has(url));
    const waitMs = isOtherLeft ? 0 : retryWaitMs(retry, result.askedMs, limits);
    await waitToRetry(waitMs, limits.deadlineMs, signal, result.error);
    question.onRetry();
  }
}
