/** Connects to a server: asks what it has, and builds everything that policies on it share. */
import { join } from 'node:path';
import { ConfigurationError, type backendChecks, type Logger, type Loss } from '@agent-lightning/core';
import { loadText, parseJson, readIfPresent, type ModelText } from '@agent-lightning/text';
import { BaseModel } from './base-model.ts';
import { serverKinds, type ServerKind, type ServerTraits } from './server-kinds.ts';
import { EnginePublisher } from './engine-publisher.ts';
import type { HttpOptions } from './http-exchange.ts';
import { systemClock, type Clock } from '@agent-lightning/platform';
import type { Publisher } from './publisher.ts';
import { malformed, TinkerClient } from './tinker-client.ts';
import { isObject, type JsonObject } from './protocol.ts';

export interface ConnectOptions {
  readonly http: HttpOptions;
  readonly serverKind: ServerKind;
  /** The server's name of the base model; undefined for a server that has only one. */
  readonly model: string | undefined;
  /** A model directory of which only the text side is read. */
  readonly tokenizer: string;
  /** The most tokens of prompt and response together; not above what the server says. */
  readonly contextLength: number | undefined;
  readonly timeoutMs: number;
  readonly retryForMs: number;
  readonly logger: Logger;
  readonly signal: AbortSignal | undefined;
  readonly clock?: Clock;
  /** @default snapshots that the server samples itself */
  readonly createPublisher?: (connection: Omit<Connection, 'publisher'>) => Promise<Publisher>;
}

export interface Connection {
  readonly client: TinkerClient;
  readonly traits: ServerTraits;
  /** The server's name of the base model. */
  readonly model: string;
  readonly text: ModelText;
  /** The most tokens that prompt and response may have together. */
  readonly contextLength: number;
  readonly limits: Parameters<typeof backendChecks.samples>[1];
  readonly losses: readonly Loss['name'][];
  /** True where the server's ppo takes a dual clip: a worker says so. */
  readonly dualClip: boolean;
  readonly takesMask: boolean;
  /** True where the server's policies have a critic. */
  readonly hasCritic: boolean;
  readonly loadsInPlace: boolean;
  readonly base: BaseModel;
  readonly publisher: Publisher;
  /** The precision of a worker's frozen weights, such as 'bfloat16'; undefined where the server does not say. */
  readonly dtype: string | undefined;
  readonly description: string;
}

/**
 * Asks a server for its capabilities before anything else.
 * @throws {ConfigurationError} `option-invalid` for a model that it does not have, or a length that is not known
 * @throws {BackendError} when it does not answer as a Tinker-style server does
 */
export async function connect(options: ConnectOptions): Promise<Connection> {
  const { http, serverKind, logger, timeoutMs, retryForMs, signal } = options;
  const traits = serverKinds[serverKind];
  if (http.apiKey !== undefined && isReadable(http.url))
    logger.warn(
      `the key of the training server travels to ${http.url} as it is: put TLS in front of it, and give an https URL`,
    );
  const { firstEncoding } = traits;
  const clock = options.clock ?? systemClock;
  const client = new TinkerClient({ http, clock, logger, timeoutMs, retryForMs, firstEncoding, signal });
  const what = 'get_server_capabilities';
  const capabilities = await client.call('GET', `/api/v1/${what}`, undefined, { what, missing: 'backend-failed' });
  const { supported_models: models, worker } = capabilities;
  if (!Array.isArray(models)) throw malformed(what, 'supported_models');
  const { name, maxContextLength } = chooseModel(models.filter(isObject), options.model, http.url);
  const extensions = isObject(worker) ? worker : {};
  const text = await loadText(options.tokenizer);
  const config = await readConfig(text.directory);
  const served = maxContextLength ?? positiveOf(config['max_position_embeddings']);
  const contextLength = resolveContextLength(options.contextLength, served, traits, text.directory);
  const parts = {
    client,
    traits,
    model: name,
    text,
    contextLength,
    limits: {
      vocabularySize: positiveOf(config['vocab_size']) ?? text.tokenizer.vocabularySize,
      maxSampleTokens: Math.min(
        (positiveOf(extensions['max_datum_tokens']) ?? contextLength - 1) + 1,
        contextLength + 1,
      ),
      hasTemperature: extensions['temperature'] === true,
    },
    losses: lossesOf(extensions, traits),
    dualClip: extensions['dual_clip'] === true,
    takesMask: extensions['mask'] === true,
    hasCritic: extensions['critic'] === true,
    loadsInPlace: extensions['load_in_place'] === true,
    base: new BaseModel(client, traits, name, served),
    dtype: typeof extensions['dtype'] === 'string' ? extensions['dtype'] : undefined,
    description: `${name} on ${traits.title} at ${http.url}${describeWorker(extensions)}`,
  };
  const publisher = await (options.createPublisher?.(parts) ??
    new EnginePublisher({ ...parts, vocabularySize: parts.limits.vocabularySize }));
  return { ...parts, publisher };
}

/** Tells whether others on the way can read what is sent to this address. */
function isReadable(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === 'http:' && !/^(?:localhost|127\.[\d.]+|\[::1\])$/.test(hostname);
}

function chooseModel(
  models: readonly JsonObject[],
  asked: string | undefined,
  url: string,
): { readonly name: string; readonly maxContextLength: number | undefined } {
  const names = models.map(({ model_name: name }) => String(name));
  const index = asked === undefined ? 0 : names.indexOf(asked);
  if (index < 0 || names.length === 0) {
    throw new ConfigurationError(
      `The training server at ${url} does not have the model ${JSON.stringify(asked ?? null)}; it has ${names.join(', ') || 'none'}.`,
      { code: 'option-invalid' },
    );
  }
  return { name: names[index]!, maxContextLength: positiveOf(models[index]!['max_context_length']) };
}

function resolveContextLength(
  asked: number | undefined,
  served: number | undefined,
  { servesBase }: ServerTraits,
  directory: string,
): number {
  if (asked !== undefined && served !== undefined && asked > served) {
    throw new ConfigurationError(`contextLength is ${asked}, and the model takes at most ${served} tokens.`, {
      code: 'option-invalid',
    });
  }
  if (asked !== undefined) return asked;
  // Measuring a sequence under the base model samples one token after it, which must fit too.
  if (served !== undefined) return servesBase ? served - 1 : served;
  throw new ConfigurationError(
    `Neither the server nor ${directory} says how many tokens the model takes; give contextLength.`,
    { code: 'option-invalid' },
  );
}

/** Returns the losses of a server: those that a worker announces and this client knows, or those of the server's kind. */
function lossesOf({ losses }: JsonObject, traits: ServerTraits): readonly Loss['name'][] {
  return Array.isArray(losses) ? traits.losses.filter((loss) => losses.includes(loss)) : traits.losses;
}

function describeWorker({ device, dtype, description }: JsonObject): string {
  if (typeof description === 'string') return `: ${description}`;
  return typeof device === 'string' ? `: ${device}, ${String(dtype)}` : '';
}

async function readConfig(directory: string): Promise<JsonObject> {
  const path = join(directory, 'config.json');
  const bytes = await readIfPresent(path);
  return bytes === undefined ? {} : parseJson(bytes.toString('utf8'), path);
}

function positiveOf(value: unknown): number | undefined {
  return Number.isSafeInteger(value) && (value as number) > 0 ? (value as number) : undefined;
}
