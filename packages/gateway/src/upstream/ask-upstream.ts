import type { PolicyRelease } from '@agent-lightning/core';
import { WireError } from '../http/wire-error.ts';
import type { EndpointPool } from '../policies/endpoint-pool.ts';
import { exchange, readWhole, type HttpReply } from './http-exchange.ts';
import { isRetryableStatus, retryAfterMs, retryWaitMs, waitToRetry, type RetryLimits } from './retry.ts';
import { statusError } from './upstream-error.ts';

/** Servers that answer for a release, and which of them a call is for. */
export interface Servers {
  readonly pool: EndpointPool;
  /** Calls with the same affinity stay on one server. */
  readonly affinity: string;
}

export interface Question {
  readonly release: Extract<PolicyRelease, { kind: 'openai' }>;
  readonly servers: Servers;
  /** Under the base URL. */
  readonly path: string;
  readonly body: Buffer;
  readonly accept: string;
  readonly signal: AbortSignal;
  /** Told before each try after the first. */
  readonly onRetry: () => void;
}

export interface AskLimits extends RetryLimits {
  readonly stallTimeoutMs: number;
  /** `performance.now()` at which the call must be over. */
  readonly deadlineMs: number;
}

/** The head of an upstream's good reply, and who sent it. */
export interface UpstreamReply {
  readonly reply: HttpReply;
  readonly url: URL;
}

interface Failure {
  readonly error: WireError;
  readonly askedMs: number | undefined;
}

function urlOf(baseUrl: string, path: string): URL {
  return new URL(`${baseUrl.replace(/\/+$/u, '')}${path}`);
}

/** Whether an error says that the server is not well, rather than that it is busy or the request is wrong. */
function isServerFault(error: unknown): boolean {
  return error instanceof WireError && (error.code === 'upstream-failed' || error.code === 'upstream-timeout');
}

/** Asks one server once. @throws {WireError} for what another try cannot mend */
async function askOnce(question: Question, url: URL, limits: AskLimits): Promise<UpstreamReply | Failure> {
  try {
    const { body, accept, signal, release } = question;
    const { stallTimeoutMs } = limits;
    const reply = await exchange({ url, body, accept, apiKey: release.apiKey, signal, stallTimeoutMs });
    if (reply.statusCode === 200) return { reply, url };
    const error = statusError(reply, await readWhole(reply, { url, limitBytes: 1_048_576, signal }), {
      url,
      apiKey: release.apiKey,
    });
    if (!isRetryableStatus(reply.statusCode)) throw error;
    return { error, askedMs: retryAfterMs(reply.header('retry-after'), Date.now()) };
  } catch (error) {
    if (!(error instanceof WireError) || !error.retryable || question.signal.aborted) throw error;
    return { error, askedMs: undefined };
  }
}

/** Asks until a server answers with a 200, or may not be asked again; a server that fails is left for another. @throws {WireError} */
export async function askUpstream(question: Question, limits: AskLimits): Promise<UpstreamReply> {
  const { release, signal } = question;
  const { pool, affinity } = question.servers;
  const baseUrls = [release.baseUrl, ...(release.replicas ?? [])];
  const tried = new Set<string>();
  for (let retry = 0; ; retry += 1) {
    const baseUrl = pool.choose(baseUrls, affinity, tried);
    let result: UpstreamReply | Failure;
    try {
      result = await askOnce(question, urlOf(baseUrl, question.path), limits);
    } catch (error) {
      if (isServerFault(error) && !signal.aborted) pool.failed(baseUrl, release.apiKey);
      throw error;
    }
    if ('reply' in result) {
      pool.succeeded(baseUrl);
      return result;
    }
    if (isServerFault(result.error)) pool.failed(baseUrl, release.apiKey);
    if (retry === limits.maxRetries) throw result.error;
    tried.add(baseUrl);
    const waitMs = tried.size < baseUrls.length ? 0 : retryWaitMs(retry, result.askedMs, limits);
    await waitToRetry(waitMs, limits.deadlineMs, signal, result.error);
    question.onRetry();
  }
}
