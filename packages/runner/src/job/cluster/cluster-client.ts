import { ConfigurationError, LightningError } from '@agent-lightning/core';
import { backOffMs, retryAfterMs, systemClock, type BackOffLimits, type Clock } from '@agent-lightning/platform';
import type { ClusterAccess, Identity } from './cluster-access.ts';
import { ClusterConnection, type ClusterReply, type ClusterRequest } from './cluster-connection.ts';

export interface AskOptions {
  readonly signal: AbortSignal;
  /** Ends the tries as well, but not the one that runs: a request that is cut off may be carried out after whatever follows. @default never */
  readonly retriesUntil?: AbortSignal;
  /** Statuses besides those of success that are an answer, such as 404 for what may be gone. @default none */
  readonly allowed?: readonly number[];
  /** The time from the first failure after which there are no more tries. @default 60_000 */
  readonly patienceMs?: number;
}

export interface Answer<Body> {
  readonly status: number;
  readonly body: Body;
}

/** The error of a request that the API server did not take, or did not answer. */
type Refusal = { readonly error: ConfigurationError; readonly askedMs: number | undefined };

const waits: BackOffLimits = { firstMs: 100, longestMs: 10_000 };
/** The longest wait that a server may ask for. */
const longestAskedMs = 60_000;

/**
 * Asks the API server of one cluster. A request that was not answered, or with 429 or 5xx, or that is refused after its like was granted, is sent
 * again, later when the server says so; all requests of this package may be: what they create has names that nothing else has.
 */
export class ClusterClient {
  readonly #access: ClusterAccess;
  readonly #connection: ClusterConnection;
  readonly #clock: Clock;
  /** The rights that this process had before. */
  readonly #granted = new Set<string>();

  constructor(access: ClusterAccess, clock: Clock = systemClock) {
    this.#access = access;
    this.#connection = new ClusterConnection(access);
    this.#clock = clock;
  }

  /**
   * Sends a request and returns the JSON of the answer.
   * @throws {ConfigurationError} `command-unavailable`, retryable when the server was away · the reason of a signal
   */
  async ask<Body>(request: ClusterRequest, options: AskOptions): Promise<Answer<Body>> {
    const { signal, retriesUntil = signal, allowed = [], patienceMs = 60_000 } = options;
    let sinceMs: number | undefined;
    let rejected: Identity | undefined;
    for (let failures = 1; ; failures++) {
      const reply = await this.#try(request, rejected, signal);
      if ('status' in reply && isAnswer(reply, allowed)) {
        this.#granted.add(rightOf(request));
        return { status: reply.status, body: parse(reply.body) as Body };
      }
      // A token may have been replaced since it was read.
      if ('status' in reply && reply.status === 401 && rejected === undefined) {
        rejected = reply.identity;
        continue;
      }
      const { error, askedMs } = 'status' in reply ? this.#refusal(request, reply) : reply;
      sinceMs ??= this.#clock.now();
      if (!error.retryable || this.#clock.now() - sinceMs >= patienceMs) throw error;
      await this.#clock.wait(
        Math.max(backOffMs(failures, waits), Math.min(askedMs ?? 0, longestAskedMs)),
        AbortSignal.any([signal, retriesUntil]),
      );
      retriesUntil.throwIfAborted();
    }
  }

  async #try(
    request: ClusterRequest,
    rejected: Identity | undefined,
    signal: AbortSignal,
  ): Promise<ClusterReply | Refusal> {
    signal.throwIfAborted();
    try {
      return await this.#connection.send(request, rejected, signal);
    } catch (cause) {
      signal.throwIfAborted();
      if (LightningError.isInstance(cause)) throw cause;
      const { code, message } = cause as NodeJS.ErrnoException;
      const error = new ConfigurationError(
        `runJob: the API server ${this.#access.server.origin} (${this.#access.source}) did not answer: ${message || code}`,
        { code: 'command-unavailable', retryable: !isOfCertificates(code), cause },
      );
      return { error, askedMs: undefined };
    }
  }

  #refusal(request: ClusterRequest, { status, headers, body }: ClusterReply): Refusal {
    const { method, path } = request;
    const said = parse(body) as { readonly message?: string } | undefined;
    const isDenied = status === 401 || status === 403;
    // An API server that has just started knows no rights for a moment.
    const wasGranted = isDenied && this.#granted.has(rightOf(request));
    const isPassing = status === 429 || status >= 500 || wasGranted || isConflict({ status, body });
    const words = said?.message ?? (body.trim().slice(0, 500) || 'it gave no reason');
    const advice = isDenied
      ? `; ${this.#access.source} needs rights of its own, see the Role in docs/how-to/containers.md`
      : '';
    return {
      error: new ConfigurationError(
        `runJob: the API server answered ${method} ${path} with ${status}: ${words}${advice}`,
        { code: 'command-unavailable', retryable: isPassing },
      ),
      askedMs: retryAfterMs(headers['retry-after']),
    };
  }
}

/** Returns what is asked for, without the name of the object. */
function rightOf({ method, path }: ClusterRequest): string {
  return `${method} ${path.replace(/(\/namespaces\/[^/]+\/[^/]+)\/[^/]+/, '$1')}`;
}

function isAnswer(reply: ClusterReply, allowed: readonly number[]): boolean {
  return reply.status < 300 || (allowed.includes(reply.status) && !isConflict(reply));
}

/** Tells whether two requests met, such as at a quota; a name that exists is no such conflict. */
function isConflict({ status, body }: Pick<ClusterReply, 'status' | 'body'>): boolean {
  return status === 409 && (parse(body) as { readonly reason?: string } | undefined)?.reason !== 'AlreadyExists';
}

/** Tells whether a connection failed for a reason that will stay. */
function isOfCertificates(code: string | undefined): boolean {
  return code !== undefined && /^(?:ERR_TLS|ERR_SSL|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_)|_CERT(?:_|$)/.test(code);
}

/** Returns what an answer says as JSON; undefined where it is none, such as a log or an error of a proxy. */
function parse(body: string): unknown {
  try {
    return JSON.parse(body) as unknown;
  } catch {
    return undefined;
  }
}
