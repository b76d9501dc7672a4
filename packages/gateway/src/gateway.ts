import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Claim, LlmEndpoint, ModelGateway, PolicyRelease } from '@agent-lightning/core';
import { hashKey, isKey, presentedKey } from './attempts/attempt-key.ts';
import { AttemptRegistry } from './attempts/attempt-registry.ts';
import { answerAttemptCall, answerEmbeddings, type AttemptCalls } from './attempts/answer-attempt-call.ts';
import { WriteWindow } from './attempts/write-window.ts';
import { resolveGatewayOptions, type GatewayOptions, type ResolvedGatewayOptions } from './gateway-options.ts';
import { formatMetrics, StatisticsCounter, type GatewayStatistics } from './gateway-statistics.ts';
import { listen, type Listener } from './http/listen.ts';
import { ReplyWriter } from './http/reply-writer.ts';
import { checkHost, expectMethod, modelList, pathOf, respond, unknownPath } from './http/routes.ts';
import { WireError } from './http/wire-error.ts';
import { AdmissionGate, type PauseOptions } from './policies/admission-gate.ts';
import { EndpointPool } from './policies/endpoint-pool.ts';
import { PolicyRegistry } from './policies/policy-registry.ts';
import { probeEndpoint } from './upstream/probe.ts';
import { wires, wireOf } from './wires/wires.ts';

const attemptPath = /^\/rollout\/([^/]+)\/attempt\/([^/]+)\/v1(\/.+)$/u;

/**
 * Where agents' model calls meet the policy: one URL and key per attempt, and every call captured token by token under
 * the policy version that answered it.
 */
export class Gateway implements ModelGateway {
  readonly #options: ResolvedGatewayOptions;
  readonly #calls: AttemptCalls;
  readonly #attempts: AttemptRegistry;
  readonly #policies: PolicyRegistry;
  readonly #pool: EndpointPool;
  readonly #gate = new AdmissionGate();
  readonly #statistics = new StatisticsCounter();
  #listener: Listener | undefined;
  #closing: Promise<void> | undefined;

  private constructor(options: ResolvedGatewayOptions) {
    this.#options = options;
    const { models, healthIntervalMs } = options.serving;
    this.#policies = new PolicyRegistry(models);
    this.#pool = new EndpointPool({ healthIntervalMs, probe: probeEndpoint });
    this.#calls = {
      options,
      policies: this.#policies,
      pool: this.#pool,
      gate: this.#gate,
      statistics: this.#statistics,
    };
    this.#attempts = new AttemptRegistry(options.store, new WriteWindow(options.writeDelayMs));
  }

  /** Starts listening. @throws {ConfigurationError} `option-invalid`; {GatewayError} `port-unavailable`, naming the port and what to do */
  static async start(options: GatewayOptions): Promise<Gateway> {
    const gateway = new Gateway(resolveGatewayOptions(options));
    const { host, port, allowedHosts } = gateway.#options;
    const handle = (request: IncomingMessage, response: ServerResponse): void =>
      respond(response, gateway.#handle(request, response), {
        errorBody: wireOf(request.url)?.errorBody,
        onError: (error) => gateway.#statistics.countRejected(error),
      });
    gateway.#listener = await listen({ host, port, allowedHosts, handle });
    return gateway;
  }

  /** Such as `http://127.0.0.1:4321`, without a slash at the end. */
  get url(): string {
    return (this.#options.publicUrl?.href ?? this.#listener?.url ?? '').replace(/\/+$/u, '');
  }

  get statistics(): GatewayStatistics {
    return this.#statistics.toStatistics(this.#pool.absent.length);
  }

  /** New calls of this policy go to `release` from now on; calls in flight finish on the version that they began with. @throws {GatewayError} `request-invalid` */
  publish(policy: string, release: PolicyRelease): void {
    this.#policies.publish(policy, release);
  }

  /** Resolves when this version of the policy is replaced and no call runs on it any more. */
  drained(policy: string, version: number): Promise<void> {
    return this.#policies.drained(policy, version);
  }

  /** Admits no new call; resolves with the number of calls still in flight, once there is none or the drain is over. None is killed. */
  pause(options?: PauseOptions): Promise<number> {
    return this.#gate.pause(options);
  }

  resume(): void {
    this.#gate.resume();
  }

  /** Opens the attempt's URL and mints its key. @throws {GatewayError} `request-invalid` when it is open already */
  async openAttempt(claim: Claim): Promise<LlmEndpoint> {
    const { rolloutId, attemptId } = claim.attempt;
    const { temperature, maxTokens } = this.#options.sampling[claim.rollout.mode];
    return {
      apiKey: this.#attempts.open(claim),
      baseUrl: `${this.url}/rollout/${encodeURIComponent(rolloutId)}/attempt/${encodeURIComponent(attemptId)}/v1`,
      model: this.#options.policy,
      sampling: {
        ...(temperature === 'agent' ? {} : { temperature }),
        ...(maxTokens === undefined ? {} : { maxTokens }),
      },
    };
  }

  /** Ends the attempt's key and its calls; resolves when every captured call is stored. @throws {StoreError} when one could not be */
  closeAttempt(claim: Claim): Promise<void> {
    return this.#attempts.close(claim, this.#options.closeGraceMs);
  }

  /** Lets calls in flight finish for `drainMs`, stores everything and stops listening. @throws {StoreError} when a captured call could not be stored */
  close(options: { readonly drainMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(options.drainMs ?? 0);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(drainMs: number): Promise<void> {
    const closed = this.#listener?.close();
    if (drainMs > 0) await this.#gate.idle(drainMs);
    try {
      await this.#attempts.closeAll(this.#options.closeGraceMs);
    } finally {
      this.#gate.resume();
      this.#pool.close();
      this.#listener?.server.closeAllConnections();
      await closed;
    }
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    checkHost(request, (host) => this.#listener?.isKnownHost(host) ?? false);
    const path = pathOf(request);
    const match = attemptPath.exec(path);
    if (match !== null) return this.#handleAttempt(request, response, match[1] ?? '', match[2] ?? '', match[3] ?? '');
    if (path === '/health') {
      expectMethod(request, 'GET');
      return new ReplyWriter(response).json({
        status: 'ok',
        paused: this.#gate.isPaused,
        inFlight: this.#gate.inFlight,
      });
    }
    if (path === '/metrics') return this.#answerMetrics(request, response);
    throw unknownPath(path, '/health, /metrics and the URLs of attempts');
  }

  async #handleAttempt(
    request: IncomingMessage,
    response: ServerResponse,
    rolloutId: string,
    attemptId: string,
    path: string,
  ): Promise<void> {
    const session = this.#attempts.authorize(decode(rolloutId), decode(attemptId), presentedKey(request.headers));
    if (path === '/embeddings') {
      expectMethod(request, 'POST');
      return answerEmbeddings(this.#calls, { session, request, response });
    }
    const wire = wires.get(path);
    if (wire !== undefined) {
      expectMethod(request, 'POST');
      return answerAttemptCall(this.#calls, { session, wire, request, response });
    }
    if (path === '/models') {
      expectMethod(request, 'GET');
      return new ReplyWriter(response).json(modelList(this.#policies.names));
    }
    throw unknownPath(path, `${[...wires.keys()].join(', ')}, /embeddings and /models`);
  }

  #answerMetrics(request: IncomingMessage, response: ServerResponse): void {
    expectMethod(request, 'GET');
    const { adminKey } = this.#options;
    if (adminKey !== undefined && !isKey(presentedKey(request.headers), hashKey(adminKey)))
      throw new WireError('the admin key is missing or wrong', { code: 'unauthorized' });
    const text = formatMetrics(this.statistics, this.#gate.inFlight, this.#attempts.size);
    response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(text);
  }
}

/** A percent-encoded id; one that is not valid names no attempt. */
function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
