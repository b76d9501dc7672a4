import { check, GatewayError } from '@agent-lightning/core';

/** A model that answers a text by a text: a server that speaks OpenAI's chat dialect, or a function around any other one. */
export type TextModel = ChatModel | ((prompt: string) => Promise<string>);

/** A model on a server that speaks OpenAI's chat dialect. */
export interface ChatModel {
  /** Ends in `/v1` on most servers, such as `https://api.openai.com/v1`. */
  readonly baseUrl: string;
  readonly model: string;
  /** Sent as a bearer token; it is in no message, file or trace. @default none is sent */
  readonly apiKey?: string;
  /** @default the server's */
  readonly temperature?: number;
  /** Longest answer, in tokens, sent as `max_tokens`. @default the server's */
  readonly maxTokens?: number;
  /** Longest time of one request, in milliseconds. @default 300_000 */
  readonly timeoutMs?: number;
}

/** Asks a model once. @throws {GatewayError} when it does not answer; what a function of the user's own throws, as it is */
export type AskModel = (prompt: string) => Promise<string>;

const optionNames: Readonly<Record<keyof ChatModel, true>> = {
  baseUrl: true,
  model: true,
  apiKey: true,
  temperature: true,
  maxTokens: true,
  timeoutMs: true,
};

/** Requests until one is answered. */
const mostTries = 3;

/** The longest wait that a server may ask for. */
const longestWaitMs = 60_000;

interface Waits {
  readonly wait?: (milliseconds: number) => Promise<void>;
}

/**
 * Returns the function that asks a model. A busy or broken server is asked up to three times, after the wait that it asks for or 1 and 4 seconds.
 * @param owner names the option in messages, such as `judge: model`
 * @throws {ConfigurationError} `option-invalid`
 */
export function toAskModel(owner: string, model: TextModel, { wait = waitFor }: Waits = {}): AskModel {
  if (typeof model === 'function') return async (prompt) => checkAnswer(owner, await model(prompt));
  check.knownOptions(owner, model, optionNames);
  const url = resolveUrl(owner, model.baseUrl);
  if (typeof model.model !== 'string' || model.model === '')
    throw check.optionInvalid(`${owner}.model`, model.model, 'the name of a model');
  check.timerMs(`${owner}.timeoutMs`, model.timeoutMs ?? 300_000);
  if (model.maxTokens !== undefined) check.wholeNumber(`${owner}.maxTokens`, model.maxTokens);
  if (model.temperature !== undefined) check.positive(`${owner}.temperature`, model.temperature, { orZero: true });
  return async (prompt) => {
    for (let tries = 1; ; tries += 1) {
      const outcome = await request(url, model, prompt);
      if (typeof outcome === 'string') return checkAnswer(owner, outcome);
      if (!outcome.error.retryable || tries === mostTries) throw outcome.error;
      await wait(Math.min(outcome.waitMs ?? 4 ** (tries - 1) * 1_000, longestWaitMs));
    }
  };
}

interface Refusal {
  readonly error: GatewayError;
  /** The wait that the server asks for. */
  readonly waitMs: number | undefined;
}

async function request(url: URL, model: ChatModel, prompt: string): Promise<string | Refusal> {
  const { apiKey, temperature, maxTokens, timeoutMs = 300_000 } = model;
  const who = `the model ${model.model} at ${url.host}`;
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
      },
      body: JSON.stringify({
        model: model.model,
        messages: [{ role: 'user', content: prompt }],
        ...(temperature === undefined ? {} : { temperature }),
        ...(maxTokens === undefined ? {} : { max_tokens: maxTokens }),
      }),
      signal: AbortSignal.timeout(timeoutMs),
    });
    text = await response.text();
  } catch (cause) {
    const isLate = cause instanceof Error && cause.name === 'TimeoutError';
    const message = isLate
      ? `${who} did not answer in ${timeoutMs} ms`
      : `${who} could not be reached: ${String(cause instanceof Error ? (cause.cause ?? cause) : cause)}`;
    const code = isLate ? 'upstream-timeout' : 'upstream-failed';
    return { error: new GatewayError(message, { code, retryable: true, cause }), waitMs: undefined };
  }
  return response.ok ? readAnswer(who, text) : refuse(who, response, text);
}

function refuse(who: string, response: Response, text: string): Refusal {
  const retryable = response.status >= 500 || response.status === 429 || response.status === 408;
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
  return {
    error: new GatewayError(`${who} answered ${response.status}: ${text.slice(0, 500)}`, {
      code: retryable ? 'upstream-failed' : 'upstream-rejected',
      retryable,
    }),
    waitMs: Number.isFinite(seconds) && seconds >= 0 ? seconds * 1_000 : undefined,
  };
}

function readAnswer(who: string, text: string): string | Refusal {
  let content: unknown;
  try {
    content = (JSON.parse(text) as { choices?: { message?: { content?: unknown } }[] }).choices?.[0]?.message?.content;
  } catch {
    content = undefined; // The error below shows what came instead.
  }
  if (typeof content === 'string') return content;
  const message = `${who} answered without choices[0].message.content: ${text.slice(0, 500)}`;
  return { error: new GatewayError(message, { code: 'upstream-malformed' }), waitMs: undefined };
}

function checkAnswer(owner: string, answer: string): string {
  if (typeof answer === 'string') return answer;
  throw check.optionInvalid(owner, answer, 'a function that returns a promise of a text');
}

function resolveUrl(owner: string, baseUrl: string): URL {
  if (typeof baseUrl === 'string' && /^https?:\/\//.test(baseUrl) && URL.canParse(baseUrl))
    return new URL(`${baseUrl.replace(/\/+$/, '')}/chat/completions`);
  throw check.optionInvalid(`${owner}.baseUrl`, baseUrl, 'a URL such as https://api.openai.com/v1');
}

async function waitFor(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}
