import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ConfigurationError } from '@agent-lightning/core';
import { readPattern } from '../admin/routes-json.ts';
import { isObject } from '../request/request-fields.ts';
import type { GatewayOptions } from '../gateway-options.ts';
import type { JsonObject } from '../http/read-body.ts';
import type { UpstreamServers } from '../policies/model-options.ts';
import type { RemoteSnapshot } from '../remote-gateway.ts';

/** The package that opens the store, and its options. */
export interface StoreConfig {
  readonly module: string;
  /** The name of the function that opens it. */
  readonly open: string;
  readonly options: JsonObject;
}

/** A gateway that is started on its own. */
export interface StandaloneConfig {
  readonly options: Omit<GatewayOptions, 'store' | 'log'>;
  readonly store: StoreConfig;
  /** The policies that are published at the start. */
  readonly policies: Readonly<Record<string, RemoteSnapshot>>;
  /** The time that calls in flight may still take after SIGTERM. */
  readonly drainMs: number;
  /** The folder that relative paths and modules start from. */
  readonly directory: string;
}

export const usage = `agent-lightning-gateway --config FILE [--store FILE] [--host HOST] [--port PORT] [--drain-ms MS]

  --config    a JSON file; see the README of @agent-lightning/gateway
  --store     a SQLite file, opened with @agent-lightning/store-sqlite
  --host      where to listen (127.0.0.1)
  --port      where to listen (any free port)
  --drain-ms  how long calls in flight may go on after SIGTERM (30000)
`;

const passedOn = [
  'host',
  'port',
  'maxConnections',
  'publicUrl',
  'allowedHosts',
  'policy',
  'answersTo',
  'sampling',
  'seed',
  'writeDelayMs',
  'announceAfterMs',
  'closeGraceMs',
  'callTimeoutMs',
  'stallTimeoutMs',
  'heartbeatMs',
  'maxRetries',
  'retryBaseMs',
  'retryMaxMs',
  'maxBodyBytes',
  'maxBodyValues',
  'maxHeldBytes',
  'maxAttemptHeldBytes',
  'maxAttemptCalls',
  'maxAttemptReplyBytes',
  'maxAttemptStoredBytes',
  'bodyWaitMs',
  'maxReplyBytes',
  'healthIntervalMs',
  'maxStaleness',
  'onStale',
  'fastPath',
] as const;

const known: ReadonlySet<string> = new Set([
  ...passedOn,
  'adminKey',
  'adminKeyEnv',
  'upstreams',
  'models',
  'policies',
  'store',
  'drainMs',
]);

function invalid(message: string): ConfigurationError {
  return new ConfigurationError(`agent-lightning-gateway: ${message}`, { code: 'option-invalid' });
}

function rejectUnknown(object: JsonObject, fields: ReadonlySet<string>, path: string): void {
  for (const field of Object.keys(object))
    if (!fields.has(field)) throw invalid(`${path}${field} is not an option; there are ${[...fields].join(', ')}`);
}

function objectAt(value: unknown, path: string): JsonObject {
  if (value === undefined) return {};
  if (!isObject(value)) throw invalid(`${path} must be an object`);
  return value;
}

/** Returns a secret, written out or as the name of an environment variable. */
function secretOf(object: JsonObject, field: string, path: string, environment: NodeJS.ProcessEnv): string | undefined {
  const variable = object[`${field}Env`];
  if (variable === undefined) return object[field] as string | undefined;
  const value = typeof variable === 'string' ? environment[variable] : undefined;
  if (value === undefined || value === '')
    throw invalid(`${path}${field}Env names ${JSON.stringify(variable)}, which is not set in the environment`);
  return value;
}

const serverFields: ReadonlySet<string> = new Set(['baseUrl', 'replicas', 'apiKey', 'apiKeyEnv', 'model']);

function serversOf<Servers extends UpstreamServers>(
  value: unknown,
  name: string,
  environment: NodeJS.ProcessEnv,
): Record<string, Servers> {
  const entries = Object.entries(objectAt(value, name)).map(([key, given]) => {
    const path = `${name}.${key}`;
    const { apiKeyEnv: _env, ...servers } = objectAt(given, path);
    rejectUnknown(servers, serverFields, `${path}.`);
    const apiKey = secretOf(objectAt(given, path), 'apiKey', `${path}.`, environment);
    return [key, { ...servers, ...(apiKey === undefined ? {} : { apiKey }) }] as const;
  });
  return Object.fromEntries(entries) as unknown as Record<string, Servers>;
}

function policiesOf(value: unknown, upstreams: object): Record<string, RemoteSnapshot> {
  const entries = Object.entries(objectAt(value, 'policies')).map(([name, given]) => {
    const path = `policies.${name}`;
    const { upstream, model, version = 0, ...rest } = objectAt(given, path);
    rejectUnknown(rest, new Set(['upstream', 'model', 'version']), `${path}.`);
    if (typeof upstream !== 'string' || !(upstream in upstreams))
      throw invalid(`${path}.upstream must name one of upstreams: ${Object.keys(upstreams).join(', ') || 'none'}`);
    if (typeof model !== 'string') throw invalid(`${path}.model must be what the upstream calls the model`);
    if (!Number.isInteger(version)) throw invalid(`${path}.version must be an integer`);
    return [name, { upstream, model, version: version as number }] as const;
  });
  return Object.fromEntries(entries);
}

/** Returns names of models, of which a pattern is written as `{ "source": "^gpt-", "flags": "i" }`. */
function namesOf(value: unknown): unknown {
  if (!Array.isArray(value)) return value; // refused, like a wrong name, where the gateway starts
  return value.map((each: unknown, index) => (isObject(each) ? patternOf(each, `answersTo[${index}]`) : each));
}

function patternOf(value: JsonObject, path: string): RegExp {
  try {
    return readPattern(value, path);
  } catch (error) {
    throw invalid((error as Error).message);
  }
}

function storeOf(value: unknown, file: string | undefined): StoreConfig {
  if (file !== undefined)
    return { module: '@agent-lightning/store-sqlite', open: 'openSqliteStore', options: { path: resolve(file) } };
  const store = objectAt(value, 'store');
  rejectUnknown(store, new Set(['module', 'open', 'options']), 'store.');
  const { module, open } = store;
  if (typeof module !== 'string' || typeof open !== 'string')
    throw invalid('no store: give --store FILE, or `store` with a `module` and the name of its function in `open`');
  return { module, open, options: objectAt(store['options'], 'store.options') };
}

async function readConfigFile(path: string): Promise<JsonObject> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new ConfigurationError(`agent-lightning-gateway: cannot read ${path}`, { code: 'option-invalid', cause });
  }
  try {
    return objectAt(JSON.parse(text), path);
  } catch (cause) {
    throw new ConfigurationError(`agent-lightning-gateway: ${path} is not a JSON object`, {
      code: 'option-invalid',
      cause,
    });
  }
}

function numberFlag(name: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (!/^\d+$/u.test(value)) throw invalid(`--${name} must be a number, not "${value.slice(0, 40)}"`);
  return Number(value);
}

const flags = {
  config: { type: 'string' },
  store: { type: 'string' },
  host: { type: 'string' },
  port: { type: 'string' },
  'drain-ms': { type: 'string' },
  help: { type: 'boolean' },
} as const;

/** Reads flags and the file that they name; returns undefined when help was asked for. @throws {ConfigurationError} `option-invalid` */
export async function readStandaloneConfig(
  argv: readonly string[],
  environment: NodeJS.ProcessEnv,
): Promise<StandaloneConfig | undefined> {
  let values: { config?: string; store?: string; host?: string; port?: string; 'drain-ms'?: string; help?: boolean };
  try {
    ({ values } = parseArgs({ args: [...argv], options: flags }));
  } catch (cause) {
    throw new ConfigurationError(`agent-lightning-gateway: ${(cause as Error).message}`, {
      code: 'option-invalid',
      cause,
    });
  }
  if (values.help === true) return undefined;
  const file = values.config === undefined ? {} : await readConfigFile(values.config);
  rejectUnknown(file, known, '');
  const adminKey = secretOf(file, 'adminKey', '', environment);
  const upstreams = serversOf<UpstreamServers>(file['upstreams'], 'upstreams', environment);
  const port = numberFlag('port', values.port);
  const options: Record<string, unknown> = {
    ...Object.fromEntries(passedOn.flatMap((field) => (field in file ? [[field, file[field]]] : []))),
    ...('answersTo' in file && { answersTo: namesOf(file['answersTo']) }),
    upstreams,
    models: serversOf(file['models'], 'models', environment),
  };
  if (adminKey !== undefined) options['adminKey'] = adminKey;
  if (values.host !== undefined) options['host'] = values.host;
  if (port !== undefined) options['port'] = port;
  return {
    // Their values are checked where the gateway starts.
    options: options as StandaloneConfig['options'],
    store: storeOf(file['store'], values.store),
    policies: policiesOf(file['policies'], upstreams),
    drainMs: numberFlag('drain-ms', values['drain-ms']) ?? Number(file['drainMs'] ?? 30_000),
    directory: values.config === undefined ? process.cwd() : dirname(resolve(values.config)),
  };
}
