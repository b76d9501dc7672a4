import { check, type LightningStore, type RolloutMode } from '@agent-lightning/core';
import { isLoopback } from '@agent-lightning/platform';
import {
  callLimitNames,
  invalidOption,
  resolveCallLimits,
  type CallLimitOptions,
  type CallLimits,
} from './calls/call-limits.ts';
import { resolveSampling, type ResolvedModeSampling, type SamplingOptions } from './capture/sampling-rules.ts';
import type { GatewayLogEntry } from './gateway-log.ts';
import { fittingConnections } from './http/connection-guard.ts';
import { resolveOwnModels, type KnownServers, type OwnModels } from './policies/own-models.ts';
import { resolveModels, type ModelOptions, type ResolvedModelOptions } from './policies/model-options.ts';
import { resolveStaleness, type StalenessOptions } from './policies/staleness-rule.ts';

export interface GatewayOptions extends CallLimitOptions, ModelOptions, StalenessOptions {
  /** The store that captured calls go to; with `ownModels`, also where the texts come from that rollouts try. */
  readonly store: Pick<LightningStore, 'appendSpans'> & Partial<Pick<LightningStore, 'getResources'>>;
  /** The address to listen on. @default '127.0.0.1' */
  readonly host?: string;
  /** The port to listen on; 0 takes any free one. @default 0 */
  readonly port?: number;
  /** The most connections at once, half of them without a valid key. @default three quarters of the descriptors of this process, and at most 16_384 */
  readonly maxConnections?: number;
  /** The URL at which agents reach the gateway, when it differs from the address that it listens on. @default the address that it listens on */
  readonly publicUrl?: string;
  /** Further values of the `Host` header to answer. @default none */
  readonly allowedHosts?: readonly string[];
  /** Opens `/admin` and `/metrics`; needed to listen on anything but the loopback interface. At least 32 characters. @default none: `/admin` is closed, `/metrics` open */
  readonly adminKey?: string;
  /** The model name that attempts are given. @default 'policy' */
  readonly policy?: string;
  /**
   * Hands the calls of attempts on to the models that the agents ask today, byte for byte, in place of a policy: a search over prompts that are found in model
   * calls reaches agents of other processes so. The calls are traced, and get the texts that their rollouts try. @default none: a policy answers
   */
  readonly ownModels?: OwnModels;
  /**
   * Further names of models, whole or as patterns, that are answered as if they were the one that attempts are given: those that unmodified agents
   * have in their code. `[/./]` answers any name. A policy or a model of `models` that has the name is the one that is meant. @default none
   */
  readonly answersTo?: readonly (string | RegExp)[];
  /** The sampling that is enforced whatever agents ask for. @default temperature 1 for train, 0 for val and test */
  readonly sampling?: SamplingOptions;
  /** The number from which calls to an in-process engine that give no seed get one, with their rollout, caller and position. @default 0 */
  readonly seed?: number;
  /** The time that captured calls wait for others to be stored with; closing an attempt stores them at once. @default 50 */
  readonly writeDelayMs?: number;
  /**
   * A call that goes on longer is stored as `incomplete` until it ends, so that a gateway that is killed leaves it behind. A shorter
   * one is written once, when it ends: announcing it would cost a second write. 0: every call, as it begins. @default 1_000
   */
  readonly announceAfterMs?: number;
  /** The time that calls may still take when their attempt is closed. @default 0 */
  readonly closeGraceMs?: number;
  /** The most requests of one attempt that may be in flight; further ones wait unread, and four times as many may. @default 256 */
  readonly maxAttemptCalls?: number;
  /** The most that the calls of one attempt may put into the store: the bytes of tokens, and the characters of texts. @default 1 GiB */
  readonly maxAttemptStoredBytes?: number;
  /** The most memory that the bodies of one attempt's requests in flight may hold, within `maxHeldBytes`. @default 64 MiB */
  readonly maxAttemptHeldBytes?: number;
  /** The most that the replies of HTTP upstreams to one attempt's calls in flight may have together; the call that brings them over it fails. @default 512 MiB */
  readonly maxAttemptReplyBytes?: number;
  /**
   * Captured replies of upstreams are read with WebAssembly where that is faster and runs; `false` reads all of them with the JSON
   * parser, to the same result. @default true
   */
  readonly fastPath?: boolean;
  /** Called with each event, such as a call. It must not block. @default nothing is logged */
  readonly log?: (entry: GatewayLogEntry) => void;
}

export interface ResolvedGatewayOptions extends Required<
  Omit<
    GatewayOptions,
    | 'publicUrl'
    | 'adminKey'
    | 'sampling'
    | 'ownModels'
    | 'log'
    | keyof CallLimitOptions
    | keyof ModelOptions
    | keyof StalenessOptions
  >
> {
  readonly limits: CallLimits;
  readonly serving: ResolvedModelOptions;
  readonly staleness: Required<StalenessOptions>;
  readonly log: ((entry: GatewayLogEntry) => void) | undefined;
  readonly publicUrl: URL | undefined;
  readonly adminKey: string | undefined;
  readonly own: KnownServers | undefined;
  readonly sampling: Readonly<Record<RolloutMode, ResolvedModeSampling>>;
}

const optionNames: Readonly<Record<keyof GatewayOptions, true>> = {
  store: true,
  policy: true,
  answersTo: true,
  host: true,
  port: true,
  publicUrl: true,
  allowedHosts: true,
  adminKey: true,
  ownModels: true,
  sampling: true,
  seed: true,
  models: true,
  upstreams: true,
  healthIntervalMs: true,
  maxStaleness: true,
  onStale: true,
  writeDelayMs: true,
  announceAfterMs: true,
  closeGraceMs: true,
  maxAttemptHeldBytes: true,
  maxAttemptCalls: true,
  maxAttemptReplyBytes: true,
  maxAttemptStoredBytes: true,
  maxConnections: true,
  fastPath: true,
  log: true,
  ...callLimitNames,
};

function booleanOption(name: string, value: boolean): boolean {
  if (typeof value !== 'boolean') throw invalidOption(`${name} must be true or false, not ${String(value)}`);
  return value;
}

function resolveOwn({ ownModels, store }: GatewayOptions): KnownServers | undefined {
  if (ownModels === undefined) return undefined;
  if (typeof store?.getResources !== 'function')
    throw invalidOption('ownModels needs a store with getResources, from which rollouts get their texts');
  return resolveOwnModels('gateway: ownModels', ownModels);
}

function resolvePublicUrl(publicUrl: string | undefined): URL | undefined {
  if (publicUrl === undefined) return undefined;
  const url = URL.parse(publicUrl);
  if (url === null || !/^https?:$/u.test(url.protocol))
    throw invalidOption(`publicUrl must be an http or https address, not "${publicUrl.slice(0, 80)}"`);
  return url;
}

function resolveAdminKey(adminKey: string | undefined, host: string): string | undefined {
  if (adminKey !== undefined && adminKey.length < 32)
    throw invalidOption(
      `adminKey must have at least 32 characters, not ${adminKey.length}; make one with: openssl rand -base64 32`,
    );
  if (adminKey === undefined && !isLoopback(host))
    throw invalidOption(
      `listening on ${host} opens the gateway to the network; give an adminKey, or listen on 127.0.0.1`,
    );
  return adminKey;
}

/** Returns the options with their defaults. @throws {ConfigurationError} `option-invalid` */
export function resolveGatewayOptions(options: GatewayOptions): ResolvedGatewayOptions {
  check.knownOptions('Gateway.start', options, optionNames);
  const host = options.host ?? '127.0.0.1';
  const publicUrl = resolvePublicUrl(options.publicUrl);
  const policy = options.policy ?? 'policy';
  return Object.freeze({
    limits: resolveCallLimits(options),
    store: options.store,
    host,
    maxConnections: check.wholeNumber('gateway: maxConnections', options.maxConnections ?? fittingConnections(), 1),
    port: check.wholeNumber('gateway: port', options.port ?? 0, 0, 65_535),
    publicUrl,
    allowedHosts: [...(options.allowedHosts ?? []), ...(publicUrl === undefined ? [] : [publicUrl.hostname])],
    adminKey: resolveAdminKey(options.adminKey, host),
    policy,
    own: resolveOwn(options),
    answersTo: check.modelNames('gateway: answersTo', options.answersTo ?? []),
    serving: resolveModels(options, policy),
    staleness: resolveStaleness(options),
    sampling: resolveSampling(options.sampling),
    seed: check.wholeNumber('gateway: seed', options.seed ?? 0, -Number.MAX_SAFE_INTEGER),
    writeDelayMs: check.timerMs('gateway: writeDelayMs', options.writeDelayMs ?? 50, 0),
    announceAfterMs: check.timerMs('gateway: announceAfterMs', options.announceAfterMs ?? 1_000, 0),
    fastPath: booleanOption('fastPath', options.fastPath ?? true),
    log: options.log,
    closeGraceMs: check.timerMs('gateway: closeGraceMs', options.closeGraceMs ?? 0, 0),
    maxAttemptCalls: check.wholeNumber('gateway: maxAttemptCalls', options.maxAttemptCalls ?? 256, 1),
    maxAttemptStoredBytes: check.wholeNumber(
      'gateway: maxAttemptStoredBytes',
      options.maxAttemptStoredBytes ?? 1024 * 1024 * 1024,
      1,
    ),
    maxAttemptReplyBytes: check.wholeNumber(
      'gateway: maxAttemptReplyBytes',
      options.maxAttemptReplyBytes ?? 512 * 1024 * 1024,
      1,
    ),
    maxAttemptHeldBytes: check.wholeNumber(
      'gateway: maxAttemptHeldBytes',
      options.maxAttemptHeldBytes ?? 64 * 1024 * 1024,
      1,
    ),
  });
}
