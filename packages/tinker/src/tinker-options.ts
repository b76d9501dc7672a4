/** Defines the options of `tinker`, and checks them once. */
import { check, ConfigurationError, type Logger } from '@agent-lightning/core';
import { cleanLogger, createConsoleLogger } from '@agent-lightning/platform';
import { adamFields, serverKinds, type AdamField, type ServerTraits, type ServerKind } from './server-kinds.ts';
import { resolveLora, type LoraOptions } from './lora-options.ts';
import type { LoraSpec } from './tinker-model.ts';

/** Options of `tinker`. */
export interface TinkerOptions {
  /** The server's address, without `/api/v1`. @default the environment's TINKER_BASE_URL, else the Tinker cloud */
  readonly url?: string;
  /** The base model, as the server names it. */
  readonly model: string;
  /** A directory with the model's `tokenizer.json`, `tokenizer_config.json` (or `chat_template.jinja`) and `config.json`. */
  readonly tokenizer: string;
  /** The server's key. @default the environment's TINKER_API_KEY, or AGENT_LIGHTNING_WORKER_KEY for a worker */
  readonly apiKey?: string;
  /** The kind of server: `tinker` for the cloud and what follows it, `skyrl`, or `worker` for the one of `@agent-lightning/gpu`. @default 'tinker' */
  readonly serverKind?: ServerKind;
  /** Adapters, or 'full' for all weights (SkyRL and the worker). @default { rank: 32 } */
  readonly lora?: LoraOptions | 'full';
  /**
   * Optimizer parameters that the server takes from its own configuration (SkyRL: all but the learning rate), where you
   * changed them. Training with others is rejected, since the server would ignore them. @default SkyRL's own defaults
   */
  readonly serverAdam?: Readonly<Partial<Record<AdamField, number>>>;
  /** The most tokens of prompt and response together. @default what the server says, else the tokenizer directory's `config.json` */
  readonly contextLength?: number;
  /** The time from submitting an operation to giving up on its result. @default 1_800_000 */
  readonly timeoutMs?: number;
  /** The time for which a call is tried again at a server that only fails. @default 300_000 */
  readonly retryForMs?: number;
  /** Takes log messages. @default lines on standard error */
  readonly logger?: Logger;
  /** Aborting it ends every call. */
  readonly signal?: AbortSignal;
  /** Sends the requests. @default the global one */
  readonly fetch?: typeof globalThis.fetch;
}

const cloudUrl = 'https://tinker.thinkingmachines.dev/services/tinker-prod';
const names: readonly (keyof TinkerOptions)[] = [
  'url',
  'model',
  'tokenizer',
  'apiKey',
  'serverKind',
  'lora',
  'serverAdam',
  'contextLength',
  'timeoutMs',
  'retryForMs',
  'logger',
  'signal',
  'fetch',
];

/** The options of a connection with every default filled in. */
export interface ResolvedTinkerOptions {
  readonly url: string;
  readonly model: string;
  readonly tokenizer: string;
  readonly apiKey: string | undefined;
  readonly serverKind: ServerKind;
  readonly lora: LoraSpec;
  readonly serverAdam: Readonly<Partial<Record<AdamField, number>>>;
  readonly contextLength: number | undefined;
  readonly timeoutMs: number;
  readonly retryForMs: number;
  readonly logger: Logger;
  readonly signal: AbortSignal | undefined;
  readonly fetch: typeof globalThis.fetch;
}

/** Checks the options and fills in their defaults. @throws {ConfigurationError} `option-invalid` | `option-unsupported` */
export function resolveTinkerOptions(
  options: TinkerOptions,
  environment: NodeJS.ProcessEnv = process.env,
): ResolvedTinkerOptions {
  if (typeof options === 'object' && options !== null && 'dialect' in options)
    throw new ConfigurationError(
      `tinker: the option dialect is named serverKind; write serverKind: ${JSON.stringify(options.dialect)}.`,
      { code: 'option-invalid' },
    );
  check.knownOptions('tinker', options, names);
  const serverKind = check.oneOf('tinker: serverKind', options.serverKind ?? 'tinker', ['tinker', 'skyrl', 'worker']);
  const keyVariable = serverKind === 'worker' ? 'AGENT_LIGHTNING_WORKER_KEY' : 'TINKER_API_KEY';
  const apiKey = options.apiKey ?? environment[keyVariable];
  if (serverKinds[serverKind].needsKey && (apiKey === undefined || apiKey === '')) {
    throw new ConfigurationError(`tinker: apiKey is missing; give it, or set ${keyVariable} in the environment.`, {
      code: 'option-invalid',
    });
  }
  return Object.freeze({
    url: resolveUrl('tinker: url', options.url ?? environment['TINKER_BASE_URL'] ?? cloudUrl),
    model: requireText('tinker: model', options.model, 'the name of a model on the server'),
    tokenizer: requireText(
      'tinker: tokenizer',
      options.tokenizer,
      'a directory with tokenizer.json and tokenizer_config.json',
    ),
    apiKey,
    serverKind,
    lora: resolveLora(options.lora ?? {}, serverKind, 'tinker'),
    serverAdam: resolveServerAdam(options.serverAdam ?? {}, serverKinds[serverKind]),
    contextLength:
      options.contextLength === undefined
        ? undefined
        : check.wholeNumber('tinker: contextLength', options.contextLength, 2),
    timeoutMs: check.timerMs('tinker: timeoutMs', options.timeoutMs ?? 1_800_000),
    retryForMs: check.timerMs('tinker: retryForMs', options.retryForMs ?? 300_000, 0),
    logger: cleanLogger(options.logger ?? createConsoleLogger()),
    signal: options.signal,
    fetch: options.fetch ?? globalThis.fetch,
  });
}

/** Checks an address and returns it without a trailing slash. @throws {ConfigurationError} `option-invalid` */
export function resolveUrl(name: string, value: string): string {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol) || url.username !== '' || url.search !== '')
    throw check.optionInvalid(name, JSON.stringify(value), 'an http or https URL without a user name and a query');
  return url.href.replace(/\/+$/, '');
}

/** Checks that an option is a text that is not empty. @throws {ConfigurationError} `option-invalid` */
export function requireText(name: string, value: string, expected: string): string {
  if (typeof value === 'string' && value !== '') return value;
  throw check.optionInvalid(name, JSON.stringify(value), expected);
}

function resolveServerAdam(
  given: Readonly<Partial<Record<AdamField, number>>>,
  traits: ServerTraits,
): Readonly<Partial<Record<AdamField, number>>> {
  check.knownOptions('tinker: serverAdam', given, adamFields);
  for (const [field, value] of Object.entries(given)) {
    const name = `tinker: serverAdam.${field}`;
    check.positive(name, value, { orZero: true });
    if (!(field in traits.fixedAdam)) {
      throw new ConfigurationError(
        `${name} is given, but ${traits.title} takes ${field} from each request; leave it out.`,
        { code: 'option-unsupported' },
      );
    }
  }
  return Object.freeze({ ...traits.fixedAdam, ...given });
}
