import { check, ConfigurationError, type PolicySnapshot } from '@agent-lightning/core';

/** Servers of one kind, without a model. */
export interface UpstreamServers {
  /** The base URL of an OpenAI-compatible server; it ends in `/v1` with most. */
  readonly baseUrl: string;
  /** Further servers of the same models. @default none */
  readonly replicas?: readonly string[];
  readonly apiKey?: string;
}

/** A model of the user's own that agents may call here: as it is, under its own sampling, never trained. */
export interface PassthroughModel extends UpstreamServers {
  /** The model's name on the server. @default the name that it has here */
  readonly model?: string;
}

export interface ModelOptions {
  /** The user's own models by name. @default none */
  readonly models?: Readonly<Record<string, PassthroughModel>>;
  /** The servers that snapshots may be published to over HTTP, by name. @default none */
  readonly upstreams?: Readonly<Record<string, UpstreamServers>>;
  /** The time between checks whether a server that left the pool is back. @default 5_000 */
  readonly healthIntervalMs?: number;
}

export interface ResolvedModelOptions extends Required<Omit<ModelOptions, 'models'>> {
  readonly models: ReadonlyMap<string, Extract<PolicySnapshot, { kind: 'openai' }>>;
}

function invalid(message: string): ConfigurationError {
  return new ConfigurationError(`gateway: ${message}`, { code: 'option-invalid' });
}

/** Tells whether a text is an address that an upstream can have. */
export function isHttpUrl(text: unknown): boolean {
  return typeof text === 'string' && /^https?:$/u.test(URL.parse(text)?.protocol ?? '');
}

function checkServers(path: string, given: UpstreamServers, further: readonly string[] = []): void {
  check.knownOptions(`Gateway.start: ${path}`, given, ['baseUrl', 'replicas', 'apiKey', ...further]);
  for (const url of [given.baseUrl, ...(given.replicas ?? [])])
    if (!isHttpUrl(url)) throw invalid(`${path}: "${String(url).slice(0, 80)}" is not an http or https address`);
}

function resolveModel(name: string, given: PassthroughModel): Extract<PolicySnapshot, { kind: 'openai' }> {
  checkServers(`models.${name}`, given, ['model']);
  return { kind: 'openai', version: 0, ...given, model: given.model ?? name };
}

/** Returns the user's own models as snapshots. @throws {ConfigurationError} `option-invalid` */
export function resolveModels(options: ModelOptions, policy: string): ResolvedModelOptions {
  const { healthIntervalMs = 5_000 } = options;
  if (!Number.isInteger(healthIntervalMs) || healthIntervalMs < 1 || healthIntervalMs > 2_147_483_647)
    throw invalid(`healthIntervalMs must be an integer of at least 1, not ${healthIntervalMs}`);
  const models = Object.entries(options.models ?? {});
  if (models.some(([name]) => name === policy))
    throw invalid(`models.${policy} has the name of the policy; name one of them otherwise`);
  const upstreams = options.upstreams ?? {};
  for (const [name, given] of Object.entries(upstreams)) checkServers(`upstreams.${name}`, given);
  return {
    upstreams,
    models: new Map(models.map(([name, given]) => [name, resolveModel(name, given)])),
    healthIntervalMs,
  };
}
