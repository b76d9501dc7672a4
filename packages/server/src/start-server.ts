import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { check } from '@agent-lightning/core';
import { listen, type Listener } from '@agent-lightning/platform';
import { CheckedStore, type Operations } from '@agent-lightning/store';
import { BodyRoom } from './http/body-room.ts';
import { Exchange } from './http/exchange.ts';
import { allowOrigin, isForeignChange } from './http/cross-origin.ts';
import { errorToJson, replyError, toRequestError } from './http/error-reply.ts';
import { RequestError } from './http/request-error.ts';
import type { RequestLine, Route, RouteSet } from './http/route.ts';
import type { Caller } from './keys/caller.ts';
import { presentedKey } from './keys/key-text.ts';
import { LateWatchdog } from './late-watchdog.ts';
import { ServerLog } from './server-log.ts';
import { resolveServerOptions, type ResolvedServerOptions, type ServerOptions } from './server-options.ts';
import { ApiMetrics } from './api/api-metrics.ts';
import { healthRoute } from './api/health.ts';
import { compatibleRoutes } from './compatible-routes.ts';
import { keyRoutes } from './api/key-routes.ts';
import { metricsRoute } from './api/metrics-route.ts';
import { storeRoutes } from './api/store-routes.ts';
import { gatewayRoutes, placeGateway } from './gateway-routes.ts';

/** Has every answer of the server; a client sees by it that the server was started again. */
export const instanceHeader = 'x-agent-lightning-instance';

/** The longest time in which a request may come whole: bodies of 0.3 and of OTLP are large. */
const requestTimeoutMs = 300_000;

/** One store, shared with many machines over HTTP. Make it with `startServer`. */
export class Server {
  readonly #options: ResolvedServerOptions;
  readonly #instance: string = randomUUID();
  readonly #log: ServerLog;
  readonly #bodies: BodyRoom;
  readonly #draining: AbortController = new AbortController();
  readonly #routes: readonly RouteSet[];
  readonly #watchdog: LateWatchdog | undefined;
  readonly #underWay: Set<Promise<void>> = new Set();
  /** The key of role `admin` that was made because `keys` was not given. */
  readonly adminKey: string | undefined;
  #listener: Listener | undefined;
  #closing: Promise<void> | undefined;

  /** @internal */
  constructor(options: ResolvedServerOptions, operations: Operations, adminKey: string | undefined) {
    this.#options = options;
    this.adminKey = adminKey;
    this.#log = new ServerLog(options.log);
    this.#bodies = new BodyRoom(options);
    const { store, agentRewards, gateway, keys, watchdogDelayMs } = options;
    this.#watchdog = watchdogDelayMs === undefined ? undefined : new LateWatchdog(operations, watchdogDelayMs);
    const metrics = new ApiMetrics();
    this.#routes = [
      healthRoute(this.#draining.signal),
      metricsRoute({
        parts: [() => metrics.format(), ...(gateway === undefined ? [] : [() => gateway.formatMetrics()])],
        connections: () => countConnections(this.#listener),
        requests: () => this.#underWay.size,
        heldBytes: () => this.#bodies.heldBytes,
      }),
      storeRoutes({ operations, agentRewards, instance: this.#instance, metrics }),
      keyRoutes(keys, this.#log),
      ...compatibleRoutes({
        store,
        agentRewards,
        gateway,
        modelWaitMs: options.modelWaitMs,
        onRejected: ({ count, reason }) =>
          this.#log.write('warn', 'spans-rejected', { count, reason: reason.slice(0, 300) }),
        signal: this.#draining.signal,
        watches: watchdogDelayMs === undefined,
      }),
      ...(gateway === undefined ? [] : [gatewayRoutes(gateway)]),
      ...options.routes,
    ];
  }

  /** Returns the address, such as `http://127.0.0.1:4747`, without a slash at the end. */
  get url(): string {
    return this.#listener?.url ?? '';
  }

  /** @internal */
  async listen(): Promise<void> {
    const { host, port, allowedHosts, maxConnections, gateway, keys, publicUrl } = this.#options;
    const handle = (request: IncomingMessage, response: ServerResponse): void => {
      const work = this.#handle(request, response);
      this.#underWay.add(work);
      void work.finally(() => this.#underWay.delete(work));
    };
    try {
      this.#listener = await listen({
        host,
        port,
        allowedHosts,
        requestTimeoutMs,
        handle,
        unreadableBody: ({ message, ...problem }) => ({ error: errorToJson(new RequestError(message, problem)) }),
      });
      this.#listener.server.maxConnections = maxConnections;
    } catch (error) {
      // What follows and watches the store must not go on without a server.
      this.#draining.abort();
      this.#watchdog?.stop();
      throw error;
    }
    if (gateway !== undefined) placeGateway(gateway, publicUrl ?? this.url, keys);
    this.#log.write('info', 'listening', {
      url: this.url,
      open: this.#options.open,
      agent_rewards: this.#options.agentRewards,
    });
  }

  /** Stops listening, ends the waits, lets requests under way finish for `drainMs`, then closes every connection. Closing again does nothing. The store stays open. */
  close(options: { /** @default 10_000 */ readonly drainMs?: number } = {}): Promise<void> {
    check.knownOptions('Server.close', options, ['drainMs']);
    this.#closing ??= this.#close(check.timerMs('drainMs', options.drainMs ?? 10_000, 0));
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(drainMs: number): Promise<void> {
    this.#log.write('info', 'draining', { under_way: this.#underWay.size });
    const closed = this.#listener?.close();
    this.#watchdog?.stop();
    this.#draining.abort();
    const timer = setTimeout(() => this.#listener?.server.closeAllConnections(), drainMs);
    await Promise.allSettled(this.#underWay);
    // A reply may still be on its way out: idle connections close by themselves, others when it has left.
    this.#listener?.server.closeIdleConnections();
    await closed;
    clearTimeout(timer);
    this.#log.write('info', 'closed');
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => response.destroy());
    response.setHeader(instanceHeader, this.#instance);
    if (this.#draining.signal.aborted) response.setHeader('connection', 'close');
    const [path = '', search = ''] = (request.url ?? '').split(/\?(.*)/su);
    const line: RequestLine = {
      method: request.method ?? 'GET',
      path,
      query: new URLSearchParams(search),
      headers: request.headers,
    };
    let route: Route | undefined;
    const open = (caller: Caller): Exchange =>
      new Exchange({
        request,
        response,
        path,
        query: line.query,
        caller,
        bodies: this.#bodies,
        draining: this.#draining.signal,
      });
    const nobody: Caller = { role: 'reader', keyId: 'none' };
    try {
      // A load balancer asks by an address, and what it is told helps nobody else.
      if (path !== '/health') this.#checkOrigin(request);
      if (allowOrigin(request, response, this.#options.allowedOrigins)) return;
      route = this.#find(line);
      await route.answer(
        open(route.roles === 'everyone' ? (this.#callerOf(request) ?? nobody) : this.#admit(request, route)),
      );
    } catch (caught) {
      const error = toRequestError(caught);
      const { method } = line;
      this.#log.write(error.status >= 500 ? 'warn' : 'info', error.status >= 500 ? 'failed' : 'refused', {
        method,
        path: path.slice(0, 200),
        status: error.status,
        code: error.code,
        // Of an error that is not ours, nobody else is told.
        ...(error.status === 500
          ? { message: String((error.cause as Error | undefined)?.stack ?? error.message) }
          : {}),
      });
      replyError(open(nobody), error, route);
    }
  }

  #find(line: RequestLine): Route {
    for (const set of this.#routes) {
      const route = set(line);
      if (route !== undefined) return route;
    }
    throw new RequestError(`nothing is served at ${line.method} ${line.path.slice(0, 200)}`, { code: 'not-found' });
  }

  #callerOf(request: IncomingMessage): Caller | undefined {
    const key = presentedKey(request.headers);
    if (key === undefined) return this.#options.open ? { role: 'admin', keyId: 'open' } : undefined;
    return this.#options.keys.identify(key) ?? (this.#options.open ? { role: 'admin', keyId: 'open' } : undefined);
  }

  #admit(request: IncomingMessage, route: Route): Caller {
    const caller = this.#callerOf(request);
    if (caller === undefined) {
      const isShown = (presentedKey(request.headers) ?? '') !== '';
      const problem = isShown
        ? 'the key is wrong, expired or revoked'
        : 'no key was sent; send one as Authorization: Bearer, which commands take from AGENT_LIGHTNING_KEY and connectStore as key';
      throw new RequestError(problem, {
        code: 'unauthorized',
        headers: { 'www-authenticate': 'Bearer, Basic realm="agent-lightning"' },
      });
    }
    if (caller.role !== 'admin' && !route.roles.includes(caller.role as never))
      throw new RequestError(
        `a key of role ${caller.role} may not do this; it takes ${['admin', ...(route.roles as readonly string[]).filter((role) => role !== 'admin')].join(' or ')}`,
        { code: 'forbidden' },
      );
    return caller;
  }

  /** Refuses names that are not this server's, against DNS rebinding, and pages of other sites, which could use an open server. */
  #checkOrigin(request: IncomingMessage): void {
    const { host, origin } = request.headers;
    const isKnown = (name: string | undefined): boolean => this.#listener?.isKnownHost(name) ?? false;
    if (!isKnown(host))
      throw new RequestError(
        `this server is not known as "${(host ?? '').slice(0, 200)}"; add that name to allowedHosts (serve --allowed-host) if it should be`,
        // Not 421, after which `fetch` sends a request with a body again and then fails in a way that says nothing.
        { code: 'forbidden' },
      );
    if (isForeignChange(request, this.#options.allowedOrigins))
      throw new RequestError(
        `pages of ${(origin ?? '').slice(0, 200)} may not change anything here; allowedOrigins lets them`,
        {
          code: 'forbidden',
        },
      );
  }
}

async function countConnections(listener: Listener | undefined): Promise<number> {
  if (listener === undefined) return 0;
  return await promisify(listener.server.getConnections.bind(listener.server))();
}

function operationsOf(store: ServerOptions['store']): Operations {
  const operations = CheckedStore.operationsOf(store);
  if (operations !== undefined) return operations;
  throw check.optionInvalid(
    'startServer: store',
    'another object',
    'a store that openSqliteStore, openPostgresStore, MemoryStore or connectStore made, or a RecordStore of your own',
  );
}

/**
 * Starts a server over a store: further routes can be put beside its own.
 * @throws {ConfigurationError} `option-invalid`, `port-unavailable`
 */
export async function startServer(options: ServerOptions): Promise<Server> {
  const resolved = resolveServerOptions(options);
  const needsKey = options.keys === undefined && !resolved.open;
  const adminKey = needsKey ? (await resolved.keys.add({ role: 'admin', label: 'made at the start' })).key : undefined;
  const server = new Server(resolved, operationsOf(options.store), adminKey);
  await server.listen();
  return server;
}
