import {
  check,
  ConfigurationError,
  GatewayError,
  LightningError,
  type Claim,
  type LightningErrorCode,
  type LlmEndpoint,
  type ModelGateway,
  type PolicyRoutes,
} from '@agent-lightning/core';
import { instanceHeader } from './admin/admin-routes.ts';
import { checkClaim } from './attempts/attempt-session.ts';
import { claimToJson, endpointFromJson, stalenessToJson } from './admin/admin-json.ts';
import type { JsonObject } from './http/read-body.ts';
import { modelNamesToJson, patternsToJson } from './admin/routes-json.ts';
import { checkPauseOptions, type PauseOptions } from './policies/admission-gate.ts';
import { isHttpUrl } from './policies/model-options.ts';
import { resolveStaleness, type StaleVerdict } from './policies/staleness-rule.ts';

export interface RemoteGatewayOptions {
  /** The gateway's address, such as `http://127.0.0.1:4100`. */
  readonly url: string;
  /** The `adminKey` that the gateway was started with. */
  readonly adminKey: string;
  /** The longest time that the gateway may take to answer. @default 120_000 */
  readonly timeoutMs?: number;
}

/** The routes of {@link PolicyRoutes}, with a snapshot for a gateway in another process. */
export interface RemoteRoutes extends Pick<PolicyRoutes, 'policies'> {
  readonly otherwise?: { readonly name: string; readonly snapshot: RemoteSnapshot };
}

/** A snapshot for a gateway in another process: which of its configured upstreams, and the model's name there. */
export interface RemoteSnapshot {
  readonly version: number;
  readonly upstream: string;
  readonly model: string;
}

/** The staleness options of a gateway in another process; a hook cannot be sent. What is not given stays as it is. */
export interface RemoteStaleness {
  /** The most versions that a policy may move on; Infinity sets no bound. */
  readonly maxStaleness?: number;
  readonly onStale?: StaleVerdict;
}

/**
 * A gateway in another process, over the same store as this one. One that was started again gets what was published, routed and set from
 * here once more, as soon as an answer tells so, and before that answer is handed on.
 */
export interface RemoteGateway extends ModelGateway {
  /** Resolves when the gateway lets this process open attempts. @throws {GatewayError} `unauthorized`, `forbidden`, `not-found`; `upstream-failed`, retryable, while it is away */
  checkAccess(): Promise<void>;
  /** Answers an open attempt by further names of models. @throws {GatewayError} `attempt-unknown` */
  answerTo(claim: Pick<Claim, 'attempt'>, names: readonly (string | RegExp)[]): Promise<void>;
  publish(policy: string, snapshot: RemoteSnapshot): Promise<void>;
  /** Sends calls to policies by their callers. @throws {GatewayError} `request-invalid` */
  route(routes: RemoteRoutes): Promise<void>;
  /** Resolves with the calls that were still in flight when the drain was over. */
  pause(options?: PauseOptions): Promise<number>;
  resume(): Promise<void>;
  /** Resolves with whether this version of the policy was replaced and has no call any more; false when the time is up first. @default timeoutMs 30_000 */
  drained(policy: string, version: number, timeoutMs?: number): Promise<boolean>;
  /** Sets the staleness rule for calls from now on. @throws {ConfigurationError} `option-invalid` */
  setStaleness(options: RemoteStaleness): Promise<void>;
}

/** Codes that keep their meaning on the way here, with whether the same request may succeed later. */
const carriedCodes: Readonly<Partial<Record<LightningErrorCode, boolean>>> = {
  'attempt-unknown': false,
  'not-found': false,
  'store-unavailable': true,
  'store-full': true,
  'store-readonly': false,
  'store-corrupt': false,
  'store-closed': false,
  'store-fenced': false,
  'store-not-found': false,
};

interface ErrorBody {
  readonly error?: { readonly message?: string; readonly code?: string };
}

/** Reads an answer, without the admin key that a server may repeat. */
async function readReply(reply: Response, what: string, adminKey: string): Promise<JsonObject> {
  const body = (await reply.json().catch(() => ({}))) as JsonObject & ErrorBody;
  if (reply.ok) return body;
  const { code, retryable } = explainReply(reply.status, body.error?.code);
  const said = LightningError.hideKey(String(body.error?.message ?? `status ${reply.status}`), adminKey);
  throw new GatewayError(`the gateway would not ${what}: ${said}`, {
    code,
    retryable,
  });
}

/** Returns the code of a reply that refused. One that says nothing of ours comes from what is in between, such as a proxy while the gateway starts. */
function explainReply(
  status: number,
  code: string | undefined,
): { readonly code: LightningErrorCode; readonly retryable: boolean } {
  const carried = carriedCodes[code as LightningErrorCode];
  if (carried !== undefined) return { code: code as LightningErrorCode, retryable: carried };
  if (status === 401) return { code: 'unauthorized', retryable: false };
  if (status === 403) return { code: 'forbidden', retryable: false };
  if (status === 429) return { code: 'paused', retryable: true };
  return status >= 500 ? { code: 'upstream-failed', retryable: true } : { code: 'request-invalid', retryable: false };
}

/** Sends requests to one gateway, and remembers what it was told, for the case that it is started again. */
class Connection {
  readonly #options: RemoteGatewayOptions;
  readonly #base: string;
  /** What the gateway was told to do from then on, by path, in the order of the first request. */
  readonly #settings = new Map<string, { readonly what: string; readonly body: JsonObject }>();
  /** The paths that a request sets now: the older setting must not arrive after it. */
  readonly #beingSet = new Set<string>();
  #instance: string | undefined;
  #restored: Promise<unknown> = Promise.resolve();

  constructor(options: RemoteGatewayOptions) {
    this.#options = options;
    this.#base = options.url.replace(/\/+$/u, '');
  }

  /** Sends a request that is sent again to a gateway that was started again. */
  async set(path: string, what: string, body: JsonObject): Promise<void> {
    await this.#restored.catch(() => undefined); // what was set before must not arrive after this
    // Of the staleness, what is not given stays as it is.
    const setting = { what, body: path === 'staleness' ? { ...this.#settings.get(path)?.body, ...body } : body };
    this.#beingSet.add(path);
    try {
      await this.ask('POST', path, what, setting.body);
    } catch (error) {
      this.#instance = ''; // the next answer tells again what was left out for this
      throw error;
    } finally {
      this.#beingSet.delete(path);
    }
    this.#settings.set(path, setting);
  }

  /** Sends a request to the gateway and returns its reply. @param waitMs the time that the gateway itself may wait before it answers */
  async ask(
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    what: string,
    body?: JsonObject,
    waitMs = 0,
  ): Promise<JsonObject> {
    const reply = await this.#send(method, path, body, waitMs);
    const instance = reply.headers.get(instanceHeader);
    if (instance !== null && instance !== this.#instance) {
      const isAnother = this.#instance !== undefined;
      this.#instance = instance;
      if (isAnother) this.#restored = this.#restore();
    }
    await this.#restored;
    return readReply(reply, what, this.#options.adminKey);
  }

  async #restore(): Promise<void> {
    try {
      for (const [path, { what, body }] of this.#settings)
        if (!this.#beingSet.has(path))
          await readReply(
            await this.#send('POST', path, body),
            `${what} again, after it was started again`,
            this.#options.adminKey,
          );
    } catch (error) {
      this.#instance = ''; // the next answer begins once more
      throw error;
    }
  }

  async #send(method: string, path: string, body: JsonObject | undefined, waitMs = 0): Promise<Response> {
    const { adminKey, timeoutMs = 120_000 } = this.#options;
    try {
      return await fetch(`${this.#base}/admin/${path}`, {
        method,
        redirect: 'error',
        signal: AbortSignal.timeout(Math.min(waitMs + timeoutMs, 2_147_483_647)),
        headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    } catch (cause) {
      throw new GatewayError(`the gateway at ${this.#base} did not answer: ${reasonOf(cause)}`, {
        code: 'upstream-failed',
        retryable: true,
        cause,
      });
    }
  }
}

/** Returns the reason of a request that `fetch` could not send, which its own error only wraps. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  const inner = cause as NodeJS.ErrnoException | undefined;
  return inner?.message || inner?.code || message;
}

/** Speaks to a gateway that was started on its own. @throws {ConfigurationError} `option-invalid` */
export function connectGateway(options: RemoteGatewayOptions): RemoteGateway {
  check.knownOptions('connectGateway', options, ['url', 'adminKey', 'timeoutMs']);
  if (!isHttpUrl(options.url))
    throw new ConfigurationError(
      `connectGateway: url must be an http or https address, not "${String(options.url).slice(0, 80)}"`,
      { code: 'option-invalid' },
    );
  const connection = new Connection(options);
  const ask: Connection['ask'] = (...given) => connection.ask(...given);
  const set: Connection['set'] = (...given) => connection.set(...given);
  return {
    async checkAccess(): Promise<void> {
      await ask('GET', 'attempts', 'let this process open attempts');
    },
    async openAttempt(claim: Claim): Promise<LlmEndpoint> {
      checkClaim('openAttempt', claim, ['rollout', 'attempt', 'lease']);
      return endpointFromJson(await ask('POST', 'attempts', 'open the attempt', claimToJson(claim)));
    },
    async closeAttempt(claim: Claim): Promise<void> {
      checkClaim('closeAttempt', claim, ['attempt']);
      const { attempt } = claim;
      const ids = `${encodeURIComponent(attempt.rolloutId)}/${encodeURIComponent(attempt.attemptId)}`;
      await ask('DELETE', `attempts/${ids}`, 'close the attempt');
    },
    async answerTo({ attempt }, names): Promise<void> {
      const ids = `${encodeURIComponent(attempt.rolloutId)}/${encodeURIComponent(attempt.attemptId)}`;
      const body = modelNamesToJson(check.modelNames('gateway.answerTo', names));
      await ask('POST', `attempts/${ids}/answers-to`, 'answer to further names', body);
    },
    async publish(policy, snapshot): Promise<void> {
      check.knownOptions(`the snapshot of policy "${policy}"`, snapshot, ['version', 'upstream', 'model']);
      const { version, upstream, model } = snapshot;
      await set(`policies/${encodeURIComponent(policy)}`, `publish "${policy}"`, { version, upstream, model });
    },
    async route({ policies, otherwise }): Promise<void> {
      const other = otherwise === undefined ? {} : { otherwise: { name: otherwise.name, ...otherwise.snapshot } };
      await set('routes', 'route the policies', { ...patternsToJson(policies), ...other });
    },
    async pause(pausing = {}): Promise<number> {
      checkPauseOptions(pausing);
      const { drainMs, retryAfterSeconds } = pausing;
      const body = { drain_ms: drainMs ?? null, retry_after_seconds: retryAfterSeconds ?? null };
      return Number((await ask('POST', 'pause', 'pause', body, drainMs))['in_flight']);
    },
    async resume(): Promise<void> {
      await ask('POST', 'resume', 'resume');
    },
    async drained(policy, version, drainTimeoutMs = 30_000): Promise<boolean> {
      const body = { version, timeout_ms: drainTimeoutMs };
      const path = `policies/${encodeURIComponent(policy)}/drained`;
      return (await ask('POST', path, `wait for "${policy}"`, body, drainTimeoutMs))['drained'] === true;
    },
    async setStaleness(options): Promise<void> {
      check.knownOptions('setStaleness', options, ['maxStaleness', 'onStale']);
      resolveStaleness(options);
      await set('staleness', 'set the staleness', stalenessToJson(options));
    },
  };
}
