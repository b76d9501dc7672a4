import type { IncomingMessage, ServerResponse } from 'node:http';
import { check, ConfigurationError, type PolicySnapshot } from '@agent-lightning/core';
import { hashKey, isKey, mintKey, presentedKey } from './attempts/attempt-key.ts';
import { answerCall } from './calls/answer-call.ts';
import { callLimitNames, resolveCallLimits, type CallLimitOptions } from './calls/call-limits.ts';
import { listen } from './http/listen.ts';
import { BodyBudget } from './http/body-budget.ts';
import type { JsonObject } from './http/read-body.ts';
import { ReplyWriter } from './http/reply-writer.ts';
import { answerModels, checkHost, expectMethod, pathOf, respond, unknownPath } from './http/routes.ts';
import { ReplyError } from './http/reply-error.ts';
import { EndpointPool } from './policies/endpoint-pool.ts';
import { PolicyRegistry } from './policies/policy-registry.ts';
import { JsonReplyReader } from './reply-reader/json-reader.ts';
import { probeEndpoint } from './upstream/probe.ts';
import { sinkFor } from './dialects/translating-sink.ts';
import type { Dialect } from './dialects/dialect.ts';
import { dialects, findDialect, pathAfterVersion } from './dialects/dialects.ts';

export interface ServeOptions extends CallLimitOptions {
  /** The policy's version that answers: servers, or an engine in this process. */
  readonly snapshot: PolicySnapshot;
  /** The name that clients ask for. */
  readonly model: string;
  /** Further names, whole or as patterns, that are answered as if they were `model`; `[/./]` answers any. @default none */
  readonly answersTo?: readonly (string | RegExp)[];
  /** The address to listen on. @default '127.0.0.1' */
  readonly host?: string;
  /** The port to listen on; 0 takes any free one. @default 0 */
  readonly port?: number;
  /** Further values of the `Host` header to answer. @default none */
  readonly allowedHosts?: readonly string[];
  /** The key that clients must send. @default a new 256-bit key */
  readonly apiKey?: string;
}

const optionNames: Readonly<Record<keyof ServeOptions, true>> = {
  snapshot: true,
  model: true,
  answersTo: true,
  host: true,
  port: true,
  allowedHosts: true,
  apiKey: true,
  ...callLimitNames,
};

/** A model behind an ordinary OpenAI-compatible address. */
export interface ModelEndpoint {
  /** The base URL, which ends in `/v1`. */
  readonly baseUrl: string;
  readonly apiKey: string;
  readonly model: string;
  /** Ends calls in flight and stops listening. */
  close(): Promise<void>;
}

/** Serves a snapshot as a plain OpenAI-compatible endpoint: nothing is captured and the caller's sampling is its own. @throws {ConfigurationError} `port-unavailable` */
export async function serve(options: ServeOptions): Promise<ModelEndpoint> {
  check.knownOptions('serve', options, optionNames);
  const limits = resolveCallLimits(options);
  const apiKey = options.apiKey ?? mintKey();
  if (apiKey.length < 16)
    throw new ConfigurationError(`serve: apiKey must have at least 16 characters, not ${apiKey.length}`, {
      code: 'option-invalid',
    });
  const keyHash = hashKey(apiKey);
  const others = { model: options.model, names: check.modelNames('serve: answersTo', options.answersTo ?? []) };
  const policies = new PolicyRegistry();
  policies.publish(options.model, options.snapshot);
  const calls = new Set<AbortController>();
  const pool = new EndpointPool({ healthIntervalMs: 5_000, probe: probeEndpoint });

  // Nothing is captured, so there are no numbers to read fast.
  const reader = new JsonReplyReader();
  // One key, and so one owner.
  const bodies = new BodyBudget({ ...limits, maxOwnerBytes: limits.maxHeldBytes });
  const owner = {};

  async function answer(body: JsonObject, response: ServerResponse, dialect: Dialect): Promise<void> {
    const asked = dialect.parse(body);
    const { snapshot, leave } = policies.admit(policies.resolve(asked.request.model, others));
    const controller = new AbortController();
    calls.add(controller);
    const sink = sinkFor(dialect, asked, new ReplyWriter(response));
    const servers = { pool, affinity: '' };
    await answerCall({
      request: asked.request,
      snapshot,
      servers,
      reader,
      response,
      sink,
      limits,
      controller,
      isCaptured: false,
    });
    calls.delete(controller);
    leave();
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    checkHost(request, listener.isKnownHost);
    const path = pathAfterVersion(pathOf(request));
    if (!isKey(presentedKey(request.headers), keyHash))
      throw new ReplyError('the API key is missing or wrong', { code: 'unauthorized' });
    listener.trust(request);
    const listing = answerModels(path, request, {
      names: policies.listed(others),
      has: (name) => policies.names.includes(policies.resolve(name, others)),
    });
    if (listing !== undefined) return new ReplyWriter(response).json(listing);
    const dialect = dialects.get(path);
    if (dialect === undefined) throw unknownPath(path, `${[...dialects.keys()].join(', ')} and /models, all under /v1`);
    expectMethod(request, 'POST');
    return bodies.withBody(owner, request, (body) => answer(body, response, dialect), dialect.keepTexts);
  }

  const listener = await listen({
    host: options.host ?? '127.0.0.1',
    port: options.port ?? 0,
    allowedHosts: options.allowedHosts ?? [],
    handle: (request, response) =>
      respond(response, handle(request, response), { errorBody: findDialect(request.url)?.errorBody }),
  });
  return {
    baseUrl: `${listener.url}/v1`,
    apiKey,
    model: options.model,
    async close(): Promise<void> {
      const closed = listener.close();
      pool.close();
      for (const controller of calls)
        controller.abort(new ReplyError('the server is closing', { code: 'cancelled', status: 503 }));
      listener.server.closeAllConnections();
      await closed;
    },
  };
}
