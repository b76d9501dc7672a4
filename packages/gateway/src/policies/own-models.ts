import { check } from '@agent-lightning/core';
import { isHttpUrl } from './model-options.ts';

/** The server of models that agents ask by themselves. */
export interface OwnServer {
  /** The base URL as clients of its maker have it; that of OpenAI ends in `/v1`. @default that in `OPENAI_BASE_URL` or `ANTHROPIC_BASE_URL`, else the maker's own */
  readonly baseUrl?: string;
  /** The key that calls are sent with; it is kept in memory alone. @default that in `OPENAI_API_KEY` or `ANTHROPIC_API_KEY`, and none where `baseUrl` is given */
  readonly apiKey?: string;
}

/** The servers of models that agents ask by themselves, by the client that they ask them with. */
export interface OwnModels {
  /** Answers chat completions, completions, responses and embeddings. */
  readonly openai?: OwnServer;
  /** Answers messages. */
  readonly anthropic?: OwnServer;
}

/** A server whose address and key are known. */
export interface KnownServer {
  readonly maker: keyof OwnModels;
  readonly baseUrl: string;
  readonly apiKey: string | undefined;
}

export type KnownServers = Readonly<Partial<Record<keyof OwnModels, KnownServer>>>;

const makers = {
  openai: { baseUrl: 'https://api.openai.com/v1', name: 'OPENAI' },
  anthropic: { baseUrl: 'https://api.anthropic.com/v1', name: 'ANTHROPIC' },
} as const;

/** Returns the servers with their addresses and keys. @throws {ConfigurationError} `option-invalid` */
export function resolveOwnModels(owner: string, models: OwnModels): KnownServers {
  check.knownOptions(owner, models, { openai: true, anthropic: true });
  const given = Object.entries(models).filter(([, server]) => server !== undefined) as [keyof OwnModels, OwnServer][];
  if (given.length === 0)
    throw check.optionInvalid(owner, models, 'the servers that the agents ask today, such as { openai: {} }');
  return Object.freeze(
    Object.fromEntries(given.map(([maker, server]) => [maker, resolveServer(`${owner}.${maker}`, maker, server)])),
  );
}

function resolveServer(owner: string, maker: keyof OwnModels, server: OwnServer): KnownServer {
  check.knownOptions(owner, server, { baseUrl: true, apiKey: true });
  const { name, baseUrl: usual } = makers[maker];
  const read = (variable: string): string | undefined => process.env[variable] || undefined;
  const baseUrl = withVersion(maker, server.baseUrl ?? read(`${name}_BASE_URL`)) ?? usual;
  if (!isHttpUrl(baseUrl)) throw check.optionInvalid(`${owner}.baseUrl`, baseUrl, 'an http or https address');
  // A key of the environment is for the server of the environment.
  const apiKey = server.apiKey ?? (server.baseUrl === undefined ? read(`${name}_API_KEY`) : undefined);
  if (apiKey !== undefined && (typeof apiKey !== 'string' || apiKey === ''))
    throw check.optionInvalid(`${owner}.apiKey`, 'a value that is no key', 'a text that is not empty');
  if (apiKey === undefined && server.baseUrl === undefined)
    throw check.optionInvalid(`${owner}.apiKey`, undefined, `the key of ${baseUrl}, or one in ${name}_API_KEY`);
  return Object.freeze({ maker, baseUrl: baseUrl.replace(/\/+$/u, ''), apiKey });
}

/** Clients of Anthropic add `/v1` to their base URL by themselves. */
function withVersion(maker: keyof OwnModels, baseUrl: string | undefined): string | undefined {
  if (maker === 'openai' || baseUrl === undefined) return baseUrl;
  return /\/v1\/*$/u.test(baseUrl) ? baseUrl : `${baseUrl.replace(/\/+$/u, '')}/v1`;
}
