import {
  check,
  ConfigurationError,
  GatewayError,
  type Claim,
  type LlmEndpoint,
  type ModelGateway,
  type PolicyRoutes,
} from '@agent-lightning/core';
import { claimToJson, endpointFromJson, stalenessToJson } from './admin/admin-json.ts';
import type { JsonObject } from './http/read-body.ts';
import { patternsToJson } from './admin/routes-json.ts';
import { checkPauseOptions, type PauseOptions } from './policies/admission-gate.ts';
import { isHttpUrl } from './policies/model-options.ts';
import { resolveStaleness, type StaleVerdict } from './policies/staleness-rule.ts';

export interface RemoteGatewayOptions {
  /** The gateway's address, such as `http://127.0.0.1:4100`. */
  readonly url: string;
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

/** A gateway in another process, over the same store as this one. */
export interface RemoteGateway extends ModelGateway {
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

async function readReply(reply: Response, what: string): Promise<JsonObject> {
  const body = (await reply.json().catch(() => ({}))) as JsonObject & {
    readonly error?: { readonly message?: string };
  };
  if (reply.ok) return body;
  throw new GatewayError(`the gateway would not ${what}: ${body.error?.message ?? `status ${reply.status}`}`, {
    code: reply.status === 401 ? 'unauthorized' : reply.status === 403 ? 'forbidden' : 'request-invalid',
    retryable: reply.status === 429 || reply.status >= 500,
  });
}

/** Speaks to a gateway that was started on its own. @throws {ConfigurationError} `option-invalid` */
export function connectGateway(options: RemoteGatewayOptions): RemoteGateway {
  check.knownOptions('connectGateway', options, ['url', 'adminKey', 'timeoutMs']);
  if (!isHttpUrl(options.url))
    throw new ConfigurationError(
      `connectGateway: url must be an http or https address, not "${String(options.url).slice(0, 80)}"`,
      { code: 'option-invalid' },
    );
  const base = options.url.replace(/\/+$/u, '');
  /** Sends a request to the gateway and returns its reply. @param waitMs the time that the gateway itself may wait before it answers */
  async function ask(
    method: 'POST' | 'DELETE',
    path: string,
    what: string,
    body?: JsonObject,
    waitMs = 0,
  ): Promise<JsonObject> {
    let reply: Response;
    try {
      reply = await fetch(`${base}/admin/${path}`, {
        method,
        redirect: 'error',
        signal: AbortSignal.timeout(Math.min(waitMs + (options.timeoutMs ?? 120_000), 2_147_483_647)),
        headers: { authorization: `Bearer ${options.adminKey}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    } catch (cause) {
      throw new GatewayError(`the gateway at ${base} did not answer`, {
        code: 'upstream-failed',
        retryable: true,
        cause,
      });
    }
    return readReply(reply, what);
  }
  return {
    async openAttempt(claim: Claim): Promise<LlmEndpoint> {
      return endpointFromJson(await ask('POST', 'attempts', 'open the attempt', claimToJson(claim)));
    },
    async closeAttempt({ attempt }: Claim): Promise<void> {
      const ids = `${encodeURIComponent(attempt.rolloutId)}/${encodeURIComponent(attempt.attemptId)}`;
      await ask('DELETE', `attempts/${ids}`, 'close the attempt');
    },
    async publish(policy, { version, upstream, model }): Promise<void> {
      await ask('POST', `policies/${encodeURIComponent(policy)}`, `publish "${policy}"`, { version, upstream, model });
    },
    async route({ policies, otherwise }): Promise<void> {
      const other = otherwise === undefined ? {} : { otherwise: { name: otherwise.name, ...otherwise.snapshot } };
      await ask('POST', 'routes', 'route the policies', { ...patternsToJson(policies), ...other });
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
      await ask('POST', 'staleness', 'set the staleness', stalenessToJson(options));
    },
  };
}
