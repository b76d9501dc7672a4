/** Asks the providers of the agent's own model whether the keys in the environment are taken. */
import { fault, note, ok, type Finding } from './finding.ts';

/** A provider whose key is in the environment. */
interface Provider {
  readonly title: string;
  readonly keyName: string;
  readonly urlNames: readonly string[];
  readonly url: string;
  readonly headers: (key: string) => Readonly<Record<string, string>>;
}

const providers: readonly Provider[] = [
  {
    title: 'OpenAI',
    keyName: 'OPENAI_API_KEY',
    urlNames: ['OPENAI_BASE_URL', 'OPENAI_API_BASE'],
    url: 'https://api.openai.com/v1',
    headers: (key) => ({ authorization: `Bearer ${key}` }),
  },
  {
    title: 'Anthropic',
    keyName: 'ANTHROPIC_API_KEY',
    urlNames: ['ANTHROPIC_BASE_URL'],
    url: 'https://api.anthropic.com',
    headers: (key) => ({ 'x-api-key': key, 'anthropic-version': '2023-06-01' }),
  },
];

export interface KeyCheckOptions {
  readonly environment: NodeJS.ProcessEnv;
  /** The longest wait for a provider, in milliseconds. @default 10_000 */
  readonly timeoutMs?: number;
  /** @default the process's own */
  readonly fetch?: typeof globalThis.fetch;
}

/** Checks every key that the environment holds, by asking for the list of models, which costs nothing. Keys are never shown. */
export async function checkKeys(options: KeyCheckOptions): Promise<readonly Finding[]> {
  const given = providers.filter(({ keyName }) => (options.environment[keyName] ?? '') !== '');
  if (given.length === 0)
    return [
      note(
        'key',
        `the environment has none of ${providers.map(({ keyName }) => keyName).join(', ')}: agents that ask such a provider need one`,
      ),
    ];
  return await Promise.all(given.map((provider) => checkKey(provider, options)));
}

async function checkKey(
  { title, keyName, urlNames, url: usual, headers }: Provider,
  { environment, timeoutMs = 10_000, fetch = globalThis.fetch }: KeyCheckOptions,
): Promise<Finding> {
  const base = (
    urlNames.map((name) => environment[name]).find((value) => value !== undefined && value !== '') ?? usual
  ).replace(/\/+$/, '');
  const url = keyName === 'ANTHROPIC_API_KEY' && !base.endsWith('/v1') ? `${base}/v1/models` : `${base}/models`;
  const key = environment[keyName]!;
  const address = hideSecrets(url, key);
  try {
    const response = await fetch(url, {
      headers: headers(key),
      signal: AbortSignal.timeout(timeoutMs),
      redirect: 'error',
    });
    const text = await response.text();
    if (response.status === 401 || response.status === 403)
      return fault(
        'key',
        `${keyName} is rejected by ${address} with status ${response.status}: ${hideSecrets(readMessage(text), key).slice(0, 300)}`,
        `make a new key where you got it, and set ${keyName} to it; where the key is for another provider, set ${urlNames[0]} to its URL`,
      );
    if (response.ok) return ok('key', `${keyName} is taken by ${address}`);
    return note(
      'key',
      `${title}: ${address} answered with status ${response.status}, which says nothing about ${keyName}`,
    );
  } catch (error) {
    return note(
      'key',
      `${keyName} could not be checked: ${address} cannot be reached: ${hideSecrets(describeError(error), key)}`,
      `check the network, and ${urlNames[0]} where it is set`,
    );
  }
}

/** Returns a text without a key, which providers repeat in their messages, and without the names and passwords of its URLs. */
function hideSecrets(text: string, key: string): string {
  const hidden = [key, key.trim()].reduce(
    (left, secret) => (secret === '' ? left : left.replaceAll(secret, '…')),
    text,
  );
  return hidden.replaceAll(/\/\/[^/\s]*@/g, '//…@');
}

/** Returns the message of an error as OpenAI and Anthropic send it, else the text. */
function readMessage(text: string): string {
  try {
    const { error } = JSON.parse(text) as { readonly error?: { readonly message?: unknown } };
    if (typeof error?.message === 'string') return error.message;
  } catch {
    // It is no JSON: the text itself says it.
  }
  return text || 'no reason was given';
}

function describeError(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? `${message} (${cause.message})` : message;
}
