import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  check,
  GatewayError,
  type Claim,
  type LlmEndpoint,
  type ModelGateway,
  type PolicySnapshot,
  type PolicyRoutes,
} from '@agent-lightning/core';
import { promptKit } from '@agent-lightning/tracing';
import { answerAdmin, checkAdminKey, type AdminSurface } from './admin/admin-routes.ts';
import { AttemptRegistry } from './attempts/attempt-registry.ts';
import type { AttemptCalls } from './attempts/answer-attempt-call.ts';
import { answerAttempt, parseAttemptPath } from './attempts/attempt-routes.ts';
import { checkClaim, type AttemptPrompts, type OpenClaim } from './attempts/attempt-session.ts';
import { WriteWindow } from './attempts/write-window.ts';
import { GrammarProbe } from './capture/grammar-probe.ts';
import { createReplyReader } from './fast-path/fast-reader.ts';
import { resolveGatewayOptions, type GatewayOptions, type ResolvedGatewayOptions } from './gateway-options.ts';
import { GatewayLog } from './gateway-log.ts';
import { formatMetrics, StatisticsCounter, type GatewayStatistics } from './gateway-statistics.ts';
import { BodyBudget } from './http/body-budget.ts';
import { listen, type Listener } from './http/listen.ts';
import { ReplyWriter } from './http/reply-writer.ts';
import { checkHost, expectMethod, pathOf, respond, unknownPath } from './http/routes.ts';
import type { ReplyError } from './http/reply-error.ts';
import { AdmissionGate, type PauseOptions } from './policies/admission-gate.ts';
import type { ModelNames } from './policies/answered-names.ts';
import { EndpointPool } from './policies/endpoint-pool.ts';
import { PolicyRegistry } from './policies/policy-registry.ts';
import { StalenessRule, type StalenessOptions } from './policies/staleness-rule.ts';
import { shownUrl } from './http/shown-url.ts';
import { probeEndpoint } from './upstream/probe.ts';
import { findDialect } from './dialects/dialects.ts';

/** The options that the server has in which a gateway is mounted. */
const serversOptions = ['host', 'port', 'maxConnections', 'publicUrl', 'allowedHosts', 'adminKey'] as const;

/** The options of a gateway without a port of its own. */
export type MountOptions = Omit<GatewayOptions, (typeof serversOptions)[number]>;

/**
 * Serves agents' model calls from the policy: each attempt has its own URL and key, and every call is captured token by token
 * under the policy version that answered it.
 */
export class Gateway implements ModelGateway {
  readonly #instance: string = randomUUID();
  readonly #options: ResolvedGatewayOptions;
  readonly #calls: AttemptCalls;
  readonly #attempts: AttemptRegistry;
  readonly #policies: PolicyRegistry;
  readonly #pool: EndpointPool;
  readonly #log: GatewayLog;
  readonly #gate = new AdmissionGate();
  readonly #staleness: StalenessRule;
  readonly #statistics = new StatisticsCounter();
  #listener: Listener | undefined;
  /** Where agents reach a gateway without a port of its own, and what makes their keys there. */
  #mounted: { readonly url: string; readonly mintKey: (lease: Claim['lease']) => string } | undefined;
  #closing: Promise<void> | undefined;

  private constructor(options: ResolvedGatewayOptions) {
    this.#options = options;
    const { models, healthIntervalMs } = options.serving;
    this.#policies = new PolicyRegistry(models);
    this.#staleness = new StalenessRule(options.staleness);
    this.#log = new GatewayLog(options.log);
    const onChange = (baseUrl: string, isIn: boolean): void => {
      const server = shownUrl(baseUrl);
      if (isIn) this.#log.info('server-joined', { server });
      else this.#log.warn('server-left', { server });
    };
    this.#pool = new EndpointPool({ healthIntervalMs, probe: probeEndpoint, onChange });
    this.#calls = {
      options,
      policies: this.#policies,
      pool: this.#pool,
      reader: createReplyReader(options.fastPath),
      grammars: new GrammarProbe(options.limits, this.#pool),
      gate: this.#gate,
      bodies: new BodyBudget({
        ...options.limits,
        maxOwnerBytes: options.maxAttemptHeldBytes,
        maxOwnerRequests: options.maxAttemptCalls,
      }),
      own: options.own,
      staleness: this.#staleness,
      statistics: this.#statistics,
      log: this.#log,
      trust: (request) => this.#listener?.trust(request),
    };
    this.#attempts = new AttemptRegistry(options.store, new WriteWindow(options.writeDelayMs));
  }

  /** Starts listening. @throws {ConfigurationError} `option-invalid` | `port-unavailable`, naming the port and what to do */
  static async start(options: GatewayOptions): Promise<Gateway> {
    const gateway = new Gateway(resolveGatewayOptions(options));
    const { host, port, allowedHosts, maxConnections } = gateway.#options;
    const handle = (request: IncomingMessage, response: ServerResponse): void =>
      void gateway.#respond(request, response, gateway.#handle(request, response));
    gateway.#listener = await listen({ host, port, allowedHosts, maxConnections, handle });
    return gateway;
  }

  /** Makes a gateway without a port of its own, for `startServer({ store, gateway })`. @throws {ConfigurationError} `option-invalid` */
  static mount(options: MountOptions): Gateway {
    for (const name of serversOptions)
      if (name in options)
        throw check.optionInvalid(
          `Gateway.mount: ${name}`,
          'a value',
          'left out: the server in which it is mounted has it',
        );
    return new Gateway(resolveGatewayOptions(options));
  }

  /** Takes the address at which agents reach a mounted gateway, and what makes their keys. */
  serveAt(url: string, mintKey: (lease: Claim['lease']) => string): void {
    this.#mounted = { url, mintKey };
  }

  /** Answers a request that the server gets in which this gateway is mounted. @param isAdmitted true when the server has checked that this caller may ask the operator's routes */
  answer(request: IncomingMessage, response: ServerResponse, isAdmitted: boolean): Promise<void> {
    return this.#respond(request, response, this.#answerPath(request, response, isAdmitted));
  }

  /** Returns the gateway's own address, such as `http://127.0.0.1:4321`, without a slash at the end. */
  get url(): string {
    return (this.#options.publicUrl?.href ?? this.#mounted?.url ?? this.#listener?.url ?? '').replace(/\/+$/u, '');
  }

  /** Returns the model name that attempts are given. */
  get policy(): string {
    return this.#options.policy;
  }

  get statistics(): GatewayStatistics {
    return this.#statistics.toStatistics(this.#pool.absent.length, this.#calls.reader.counts);
  }

  /** Returns the metrics in the text format of Prometheus. */
  formatMetrics(): string {
    return formatMetrics(this.statistics, {
      callsInFlight: this.#gate.inFlight,
      openAttempts: this.#attempts.size,
      heldBytes: this.#calls.bodies.heldBytes,
      waitingRequests: this.#calls.bodies.waiting,
    });
  }

  /** Tells whether new calls are held or sent away. */
  get isPaused(): boolean {
    return this.#gate.isPaused;
  }

  /** Returns the model calls that go on now: their rollout, the agent that makes them where it is known, and for how long. */
  openCalls(): ReturnType<AttemptRegistry['openCalls']> {
    return this.#attempts.openCalls();
  }

  /** Sends new calls of this policy to `snapshot` from now on; calls in flight finish on the version that they began with. @throws {ConfigurationError} `option-invalid` @throws {GatewayError} `request-invalid` */
  publish(policy: string, snapshot: PolicySnapshot): void {
    this.#policies.publish(policy, snapshot);
    this.#log.info('published', { policy, version: snapshot.version });
  }

  /**
   * Lets several policies answer: a call for the model that attempts are given goes to the first whose pattern matches one of its
   * caller's names. A call that asks for a policy by the policy's own name goes there. @throws {GatewayError} `request-invalid`
   */
  route(routes: PolicyRoutes): void {
    this.#policies.route(this.#options.policy, routes);
    this.#log.info('routed', { policies: routes.policies.map(({ policy }) => policy).join(', ') });
  }

  /** Resolves when this version of the policy is replaced and no call runs on it any more. */
  drained(policy: string, version: number): Promise<void> {
    return this.#policies.drained(policy, version);
  }

  /** Admits no new call; resolves with the number of calls still in flight, once there is none or the drain is over. None is killed. */
  pause(options?: PauseOptions): Promise<number> {
    this.#log.info('paused', { in_flight: this.#gate.inFlight });
    return this.#gate.pause(options);
  }

  resume(): void {
    this.#log.info('resumed', {});
    this.#gate.resume();
  }

  /** Sets how many versions a policy may move on during an attempt, for calls from now on; what is not given stays as it is. @throws {ConfigurationError} `option-invalid` */
  setStaleness(options: StalenessOptions): void {
    this.#staleness.set(options);
    this.#log.info('staleness-set', { max_staleness: this.#staleness.maxStaleness });
  }

  /** Opens the attempt's URL and mints its key. @throws {ConfigurationError} `option-invalid` @throws {GatewayError} `request-invalid` when it is open and called; before a call, it gets a further key */
  async openAttempt(claim: OpenClaim): Promise<LlmEndpoint> {
    checkClaim('openAttempt', claim, ['rollout', 'attempt', 'lease']);
    const { rolloutId, attemptId } = claim.attempt;
    const { temperature, maxTokens } = this.#options.sampling[claim.rollout.mode];
    const mounted = this.#mounted;
    const mint = mounted && (() => mounted.mintKey(claim.lease));
    const prompts = await this.#readPrompts(claim.rollout.resourcesId);
    const apiKey = this.#attempts.open(claim, mint, prompts);
    this.#log.info('attempt-opened', { rollout_id: rolloutId, attempt_id: attemptId, mode: claim.rollout.mode });
    return {
      apiKey,
      baseUrl: `${this.url}/rollout/${encodeURIComponent(rolloutId)}/attempt/${encodeURIComponent(attemptId)}/v1`,
      model: this.#options.policy,
      ...(this.#options.own !== undefined && { isOwn: true }),
      sampling: {
        ...(temperature === 'agent' ? {} : { temperature }),
        ...(maxTokens === undefined ? {} : { maxTokens }),
      },
    };
  }

  /** Returns the texts that a rollout with these resources tries in model calls. */
  async #readPrompts(resourcesId: string | undefined): Promise<AttemptPrompts | undefined> {
    const { own, store } = this.#options;
    if (own === undefined || resourcesId === undefined) return undefined;
    const found = await store.getResources?.(resourcesId);
    if (found === undefined)
      throw new GatewayError(`the rollout asks for resources "${resourcesId}", which the store does not have`, {
        code: 'store-not-found',
      });
    return promptKit.readWirePrompts(found.resources);
  }

  /**
   * Answers an open attempt by further names of models, besides those of the option `answersTo`; they replace what was given for it before.
   * @throws {ConfigurationError} `option-invalid` @throws {GatewayError} `attempt-unknown` for an attempt that is not open here
   */
  answerTo(claim: Pick<Claim, 'attempt'>, names: readonly (string | RegExp)[]): void {
    this.#answerTo(claim.attempt, names);
  }

  /**
   * Ends the attempt's key and its calls; resolves when every captured call is stored.
   * @throws {StoreError} when one could not be; {GatewayError} `attempt-unknown` for an attempt that this gateway did not open, as one from before it was started again
   */
  async closeAttempt(claim: Claim): Promise<void> {
    checkClaim('closeAttempt', claim, ['attempt']);
    await this.#closeAttempt(claim.attempt);
  }

  /** Lets calls in flight finish for `drainMs`, stores everything and stops listening. @throws {StoreError} when a captured call could not be stored */
  close(options: { readonly drainMs?: number } = {}): Promise<void> {
    check.knownOptions('Gateway.close', options, ['drainMs']);
    this.#closing ??= this.#close(options.drainMs ?? 0);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #answerTo(ids: Pick<OpenClaim['attempt'], 'rolloutId' | 'attemptId'>, names: ModelNames): void {
    this.#attempts.find(ids).answersTo = check.modelNames('gateway.answerTo', names);
  }

  async #closeAttempt(ids: Pick<OpenClaim['attempt'], 'rolloutId' | 'attemptId'>): Promise<void> {
    await this.#attempts.close(ids, this.#options.closeGraceMs);
    this.#log.info('attempt-closed', { rollout_id: ids.rolloutId, attempt_id: ids.attemptId });
  }

  async #close(drainMs: number): Promise<void> {
    this.#log.info('closing', { in_flight: this.#gate.inFlight, drain_ms: drainMs });
    const closed = this.#listener?.close();
    this.#gate.shut();
    if (drainMs > 0) await this.#gate.idle(drainMs);
    try {
      await this.#attempts.closeAll(this.#options.closeGraceMs);
    } finally {
      this.#pool.close();
      this.#listener?.server.closeAllConnections();
      await closed;
    }
  }

  #onRejected(request: IncomingMessage, error: ReplyError): void {
    this.#statistics.countRejected(error);
    // Without the message, which may repeat a part of the request, and the query, in which some clients put keys.
    const path = request.url?.replace(/\?.*$/su, '').slice(0, 200);
    const { status, replyCode: code, param } = error;
    this.#log.warn('rejected', { method: request.method, path, status, code, param });
  }

  #respond(request: IncomingMessage, response: ServerResponse, work: Promise<void>): Promise<void> {
    return respond(response, work, {
      errorBody: findDialect(request.url)?.errorBody,
      onError: (error) => this.#onRejected(request, error),
    });
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    checkHost(request, (host) => this.#listener?.isKnownHost(host) ?? false);
    return await this.#answerPath(request, response, false);
  }

  async #answerPath(request: IncomingMessage, response: ServerResponse, isAdmitted: boolean): Promise<void> {
    const path = pathOf(request);
    const at = parseAttemptPath(path);
    if (at !== undefined) return answerAttempt(this.#calls, this.#attempts, at, request, response);
    if (path.startsWith('/admin/')) return answerAdmin(this.#admin(isAdmitted), path, request, response);
    if (path === '/health') {
      expectMethod(request, 'GET');
      return new ReplyWriter(response).json({
        status: 'ok',
        paused: this.#gate.isPaused,
        inFlight: this.#gate.inFlight,
      });
    }
    if (path === '/metrics') return this.#answerMetrics(request, response);
    throw unknownPath(path, '/health, /metrics, /admin and the URLs of attempts');
  }

  #admin(isAdmitted: boolean): AdminSurface {
    const { adminKey, limits, serving } = this.#options;
    return {
      instance: this.#instance,
      adminKey,
      isAdmitted,
      limits,
      upstreams: serving.upstreams,
      trust: (request) => this.#listener?.trust(request),
      list: () => this.#policies.list(),
      openAttempts: () => this.#attempts.list(),
      route: (routes) => this.route(routes),
      publish: (policy, snapshot) => this.publish(policy, snapshot),
      drained: (policy, version) => this.drained(policy, version),
      setStaleness: (options) => this.setStaleness(options),
      pause: (options) => this.pause(options),
      resume: () => this.resume(),
      openAttempt: (claim) => this.openAttempt(claim),
      answerTo: (rolloutId, attemptId, names) => this.#answerTo({ rolloutId, attemptId }, names),
      closeAttempt: (rolloutId, attemptId) => this.#closeAttempt({ rolloutId, attemptId }),
    };
  }

  #answerMetrics(request: IncomingMessage, response: ServerResponse): void {
    expectMethod(request, 'GET');
    if (this.#options.adminKey !== undefined) checkAdminKey(this.#options.adminKey, request);
    const text = this.formatMetrics();
    response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(text);
  }
}
