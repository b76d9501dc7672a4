import type { IncomingMessage, ServerResponse } from 'node:http';
import { ConfigurationError, type PolicyRelease } from '@agent-lightning/core';
import { hashKey, isKey, mintKey, presentedKey } from './attempts/attempt-key.ts';
import { answerChat, type CallLimits } from './chat/answer-chat.ts';
import { parseChatRequest } from './chat/chat-request.ts';
import { resolveCallLimits, type CallLimitOptions } from './gateway-options.ts';
import { listen } from './http/listen.ts';
import { readJsonBody } from './http/read-body.ts';
import { ReplyWriter } from './http/reply-writer.ts';
import { checkHost, expectMethod, modelList, pathOf, respond, unknownPath } from './http/routes.ts';
import { WireError } from './http/wire-error.ts';
import { PolicyRegistry } from './policies/policy-registry.ts';

export interface ServeOptions extends CallLimitOptions {
  readonly release: PolicyRelease;
  /** The name that clients ask for. */
  readonly model: string;
  /** @default '127.0.0.1' */
  readonly host?: string;
  /** 0 for any free one. @default 0 */
  readonly port?: number;
  /** Further values of the `Host` header to answer. @default none */
  readonly allowedHosts?: readonly string[];
  /** What clients must send. @default a new 256-bit key */
  readonly apiKey?: string;
}

/** A model behind an ordinary OpenAI-compatible address. */
export interface ModelEndpoint {
  /** Ends in `/v1`. */
  readonly baseUrl: string;
  readonly apiKey: string;
  readonly model: string;
  /** Ends calls in flight and stops listening. */
  close(): Promise<void>;
}

/** Serves a release as a plain OpenAI-compatible endpoint: nothing is captured and the caller's sampling is its own. @throws {GatewayError} `port-unavailable` */
export async function serve(options: ServeOptions): Promise<ModelEndpoint> {
  const resolved = resolveCallLimits(options);
  const limits: CallLimits = {
    ...resolved,
    baseWaitMs: resolved.retryBaseMs,
    maxWaitMs: resolved.retryMaxMs,
    random: Math.random,
  };
  const apiKey = options.apiKey ?? mintKey();
  if (apiKey.length < 16)
    throw new ConfigurationError(`serve: apiKey must have at least 16 characters, not ${apiKey.length}`, {
      code: 'option-invalid',
    });
  const keyHash = hashKey(apiKey);
  const policies = new PolicyRegistry();
  policies.publish(options.model, options.release);
  const calls = new Set<AbortController>();

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const asked = parseChatRequest(await readJsonBody(request, resolved.maxBodyBytes));
    const { release, leave } = policies.admit(asked.model);
    const controller = new AbortController();
    calls.add(controller);
    await answerChat({ request: asked, release, response, limits, controller, isCaptured: false });
    calls.delete(controller);
    leave();
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    checkHost(request, listener.isKnownHost);
    const path = pathOf(request);
    if (!isKey(presentedKey(request.headers), keyHash))
      throw new WireError('the API key is missing or wrong', { code: 'unauthorized' });
    if (path === '/v1/models') {
      expectMethod(request, 'GET');
      return new ReplyWriter(response).json(modelList(policies.names));
    }
    if (path !== '/v1/chat/completions') throw unknownPath(path, '/v1/chat/completions and /v1/models');
    expectMethod(request, 'POST');
    return answer(request, response);
  }

  const listener = await listen({
    host: options.host ?? '127.0.0.1',
    port: options.port ?? 0,
    allowedHosts: options.allowedHosts ?? [],
    handle: (request, response) => respond(response, handle(request, response)),
  });
  return {
    baseUrl: `${listener.url}/v1`,
    apiKey,
    model: options.model,
    async close(): Promise<void> {
      const closed = listener.close();
      for (const controller of calls)
        controller.abort(new WireError('the server is closing', { code: 'cancelled', status: 503 }));
      listener.server.closeAllConnections();
      await closed;
    },
  };
}
