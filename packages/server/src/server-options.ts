import { check, ConfigurationError, type LightningStore } from '@agent-lightning/core';
import { isLoopback } from '@agent-lightning/platform';
import type { MountedGateway } from './gateway-routes.ts';
import type { RouteSet } from './http/route.ts';
import { KeyRing } from './keys/key-ring.ts';
import type { ServerLogEntry } from './server-log.ts';

export interface ServerOptions {
  /** The store that is shared; it stays yours to close. */
  readonly store: LightningStore;
  /** The address to listen on; `0.0.0.0` for all, which needs `keys`. @default '127.0.0.1' */
  readonly host?: string;
  /** The port to listen on; 0 takes any free one. @default 4747 */
  readonly port?: number;
  /** Further values of the `Host` header to answer, such as the machine's name in the network. @default none */
  readonly allowedHosts?: readonly string[];
  /** Addresses of pages, such as `https://tools.example`, whose scripts may use this server; `*` for every page. @default none */
  readonly allowedOrigins?: readonly string[];
  /** Who may do what. @default one new key of role `admin`, which the server has as `adminKey` */
  readonly keys?: KeyRing;
  /** Lets requests without a key do everything; on the loopback only. @default false */
  readonly open?: boolean;
  /** Lets agents write rewards to their own attempt, as Agent Lightning 1.0 does: an agent then says for itself how good it was. @default false */
  readonly agentRewards?: boolean;
  /**
   * Lets this server do the watchdog's work, beginning so long after its start: a runner that could not reach the server while it was away
   * gets that time to say that it lives. Give a store that was opened with `watchdogIntervalMs: 0`. @default the store's own watchdog works from the start
   */
  readonly watchdogDelayMs?: number;
  /** A gateway on the same port, as `Gateway.mount` makes it; it stays yours to close. @default none */
  readonly gateway?: MountedGateway;
  /** The address at which agents reach the gateway, when it differs from the one that the server listens on; its host name is answered too, and `host: '0.0.0.0'` needs it. @default that address */
  readonly publicUrl?: string;
  /** The longest time that a model call of an agent of Agent Lightning 1.0 waits while its trainer has no model registered. @default 5_000 */
  readonly modelWaitMs?: number;
  /** Further routes on the same port, asked in order after the server's own. @default none */
  readonly routes?: readonly RouteSet[];
  /** Gets what happens. @default nothing is written */
  readonly log?: (entry: ServerLogEntry) => void;
  /** The most bytes of one body, after decompression. @default 67_108_864 */
  readonly maxBodyBytes?: number;
  /** The most bytes that the bodies of all requests in flight may hold. @default 536_870_912 */
  readonly maxHeldBytes?: number;
  /** The most connections at once. @default 16_384 */
  readonly maxConnections?: number;
}

type Optional = 'log' | 'watchdogDelayMs' | 'gateway' | 'publicUrl';

export type ResolvedServerOptions = Required<Omit<ServerOptions, Optional>> & Pick<ServerOptions, Optional>;

const optionNames: Readonly<Record<keyof ServerOptions, true>> = {
  store: true,
  host: true,
  port: true,
  allowedHosts: true,
  allowedOrigins: true,
  keys: true,
  open: true,
  agentRewards: true,
  watchdogDelayMs: true,
  gateway: true,
  publicUrl: true,
  modelWaitMs: true,
  routes: true,
  log: true,
  maxBodyBytes: true,
  maxHeldBytes: true,
  maxConnections: true,
};

function checkUrl(url: string): string {
  if (URL.canParse(url) && /^https?:/u.test(url)) return url.replace(/\/+$/u, '');
  throw check.optionInvalid('startServer: publicUrl', url, 'an http or https address');
}

/** Checks the options and fills in their defaults. @throws {ConfigurationError} `option-invalid` */
export function resolveServerOptions(options: ServerOptions): ResolvedServerOptions {
  check.knownOptions('startServer', options, optionNames);
  const { host = '127.0.0.1', port = 4747, open = false, agentRewards = false, keys } = options;
  check.wholeNumber('port', port, 0, 65_535);
  if (!isLoopback(host) && (open || keys === undefined))
    throw new ConfigurationError(
      `startServer: host ${host} can be reached from other machines${open ? ', and open: true would let everybody in' : ''}; give keys: new KeyRing({ file }) (agent-lightning serve: --keys FILE)${open ? ' instead' : ''}, or listen on 127.0.0.1`,
      { code: 'option-invalid' },
    );
  if (options.gateway !== undefined && options.publicUrl === undefined && /^(?:0\.0\.0\.0|::)$/u.test(host))
    throw new ConfigurationError(
      `startServer: no agent on another machine reaches the gateway at ${host}; give publicUrl (agent-lightning serve: --public-url), such as http://store-1:4747`,
      { code: 'option-invalid' },
    );
  const publicUrl = options.publicUrl === undefined ? undefined : checkUrl(options.publicUrl);
  return {
    store: options.store,
    host,
    port,
    open,
    agentRewards,
    // Agents call by this name.
    allowedHosts: [...(options.allowedHosts ?? []), ...(publicUrl === undefined ? [] : [new URL(publicUrl).hostname])],
    allowedOrigins: options.allowedOrigins ?? [],
    keys: keys ?? new KeyRing(),
    modelWaitMs: check.timerMs('modelWaitMs', options.modelWaitMs ?? 5_000, 0),
    routes: options.routes ?? [],
    maxBodyBytes: check.wholeNumber('maxBodyBytes', options.maxBodyBytes ?? 67_108_864, 1_024),
    maxHeldBytes: check.wholeNumber('maxHeldBytes', options.maxHeldBytes ?? 536_870_912, 1_024),
    maxConnections: check.wholeNumber('maxConnections', options.maxConnections ?? 16_384),
    ...(options.log === undefined ? {} : { log: options.log }),
    ...(options.watchdogDelayMs === undefined
      ? {}
      : { watchdogDelayMs: check.timerMs('watchdogDelayMs', options.watchdogDelayMs, 0) }),
    ...(options.gateway === undefined ? {} : { gateway: options.gateway }),
    ...(publicUrl === undefined ? {} : { publicUrl }),
  };
}
