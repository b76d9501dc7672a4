import { setTimeout as waitFor } from 'node:timers/promises';
import { check, ConfigurationError, GatewayError, LightningError, TimeoutError } from '@agent-lightning/core';
import { currentRollout } from '../scope/rollout-scope.ts';
import { admitCall, countCall, type AskingPart } from '../spending/model-meter.ts';

/** A model that answers a text by a text: a server that speaks OpenAI's chat dialect, or a function around any other one. */
export type TextModel = ChatModel | ((prompt: string) => Promise<string | TextAnswer>);

/** The answer of a model with what it used, for a function that knows it: a run with limits counts it. */
export interface TextAnswer {
  readonly text: string;
  /** The model by which its price is found. */
  readonly model?: string;
  readonly inputTokens?: number;
  readonly outputTokens?: number;
  /** Those of the input tokens that were read from a cache. */
  readonly cachedTokens?: number;
}

/** A model on a server that speaks OpenAI's chat dialect. */
export interface ChatModel {
  /** Ends in `/v1` on most servers, such as `https://api.openai.com/v1`. It holds no user, password or query. */
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

/**
 * Asks a model once; a signal ends the request to a server, not the user's own function.
 * @throws {GatewayError} when it does not answer
 * @throws {TimeoutError} `cancelled` when the rollout that asks has ended or the signal has aborted; what a function of the user's own throws, as it is
 */
export interface AskModel {
  (prompt: string, signal?: AbortSignal): Promise<string>;
  /** The name of the model; undefined where a function answers. */
  readonly model?: string;
}

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

interface Asking {
  /** The side of a run that asks, under which its calls are counted. @default 'optimizer' */
  readonly part?: AskingPart;
  readonly wait?: (milliseconds: number) => Promise<unknown>;
}

/**
 * Returns the function that asks a model. A busy or broken server is asked up to three times, after the wait that it asks for or 1 and 4 seconds;
 * inside a rollout no longer than the rollout lasts.
 * @param owner names the option in messages, such as `judge: model`
 * @throws {ConfigurationError} `option-invalid`
 */
export function toAskModel(
  owner: string,
  model: TextModel,
  { part = 'optimizer', wait = waitFor }: Asking = {},
): AskModel {
  if (typeof model === 'function')
    return async (prompt) => {
      admitCall(part, undefined);
      const answer = checkAnswer(owner, await model(prompt));
      return count(part, { ...answer, model: answer.model ?? owner });
    };
  check.knownOptions(owner, model, optionNames);
  const url = resolveUrl(owner, model.baseUrl);
  if (typeof model.model !== 'string' || model.model === '')
    throw check.optionInvalid(`${owner}.model`, model.model, 'the name of a model');
  checkApiKey(owner, model.apiKey);
  check.timerMs(`${owner}.timeoutMs`, model.timeoutMs ?? 300_000);
  if (model.maxTokens !== undefined) check.wholeNumber(`${owner}.maxTokens`, model.maxTokens);
  if (model.temperature !== undefined) check.positive(`${owner}.temperature`, model.temperature, { orZero: true });
  const ask: AskModel = async (prompt, signal) => {
    for (let tries = 1; ; tries += 1) {
      admitCall(part, model.model);
      const outcome = await request(url, model, prompt, signal);
      if ('text' in outcome) return count(part, outcome);
      if (!outcome.error.retryable || tries === mostTries) throw outcome.error;
      await wait(Math.min(outcome.waitMs ?? 4 ** (tries - 1) * 1_000, longestWaitMs));
    }
  };
  return Object.assign(ask, { model: model.model });
}

/** Counts what an answer used, and returns its text. */
function count(part: AskingPart, { text, model, inputTokens, outputTokens, cachedTokens }: TextAnswer): string {
  countCall({ part, model, inputTokens, outputTokens, cachedTokens });
  return text;
}

interface Refusal {
  readonly error: LightningError;
  /** The wait that the server asks for. */
  readonly waitMs: number | undefined;
}

async function request(
  url: URL,
  model: ChatModel,
  prompt: string,
  signal: AbortSignal | undefined,
): Promise<TextAnswer | Refusal> {
  const { apiKey, temperature, maxTokens, timeoutMs = 300_000 } = model;
  const who = `the model ${model.model} at ${url.host}`;
  const ofRollout = currentRollout()?.signal;
  const ended = AbortSignal.any([ofRollout, signal].flatMap((each) => each ?? []));
  const late = AbortSignal.timeout(timeoutMs);
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
      signal: AbortSignal.any([ended, late]),
    });
    text = await response.text();
  } catch (cause) {
    return {
      error: describeSilence(who, cause, {
        ended: ofRollout?.aborted === true ? 'rollout' : ended.aborted ? 'run' : undefined,
        isLate: late.aborted,
        timeoutMs,
      }),
      waitMs: undefined,
    };
  }
  // What is quoted of the answer reaches the trace.
  const shown = LightningError.hideKey(text, apiKey).slice(0, 500);
  return response.status === 200 ? readAnswer(who, model.model, text, shown) : refuse(who, response, shown);
}

/** Returns the error of a request that nobody answered. */
function describeSilence(
  who: string,
  cause: unknown,
  { ended, isLate, timeoutMs }: { ended: 'rollout' | 'run' | undefined; isLate: boolean; timeoutMs: number },
): LightningError {
  if (ended !== undefined)
    return new TimeoutError(`${who} was not waited for: the ${ended} that asks it has ended`, {
      code: 'cancelled',
      cause,
    });
  if (isLate)
    return new GatewayError(`${who} did not answer in ${timeoutMs} ms`, {
      code: 'upstream-timeout',
      retryable: true,
      cause,
    });
  const reason = String(cause instanceof Error ? (cause.cause ?? cause) : cause);
  return new GatewayError(`${who} could not be reached: ${reason}`, {
    code: 'upstream-failed',
    retryable: true,
    cause,
  });
}

function refuse(who: string, { status, headers }: Response, shown: string): Refusal {
  const retryable = status >= 500 || status === 429 || status === 408;
  const seconds = Number(headers.get('retry-after') ?? Number.NaN);
  return {
    error: new GatewayError(`${who} answered ${status}: ${shown}`, {
      code: retryable ? 'upstream-failed' : status < 400 ? 'upstream-malformed' : 'upstream-rejected',
      retryable,
    }),
    waitMs: Number.isFinite(seconds) && seconds >= 0 ? seconds * 1_000 : undefined,
  };
}

interface ChatReply {
  readonly choices?: readonly { readonly message?: { readonly content?: unknown } }[];
  readonly usage?: {
    readonly prompt_tokens?: unknown;
    readonly completion_tokens?: unknown;
    readonly prompt_tokens_details?: { readonly cached_tokens?: unknown } | null;
  } | null;
}

function readAnswer(who: string, model: string, text: string, shown: string): TextAnswer | Refusal {
  const reply = parseReply(text);
  const content = reply?.choices?.[0]?.message?.content;
  const { prompt_tokens: sent, completion_tokens: received, prompt_tokens_details: details } = reply?.usage ?? {};
  const [inputTokens, outputTokens, cachedTokens] = [sent, received, details?.cached_tokens].map(toCount);
  if (typeof content === 'string')
    return {
      text: content,
      model,
      ...(inputTokens !== undefined && { inputTokens }),
      ...(outputTokens !== undefined && { outputTokens }),
      ...(cachedTokens !== undefined && { cachedTokens }),
    };
  const message = `${who} answered without choices[0].message.content: ${shown}`;
  return { error: new GatewayError(message, { code: 'upstream-malformed' }), waitMs: undefined };
}

function parseReply(text: string): ChatReply | undefined {
  try {
    return JSON.parse(text) as ChatReply;
  } catch {
    return undefined; // The error shows what came instead.
  }
}

function toCount(value: unknown): number | undefined {
  return typeof value === 'number' && value >= 0 ? value : undefined;
}

function checkAnswer(owner: string, answer: string | TextAnswer): TextAnswer {
  if (typeof answer === 'string') return { text: answer };
  if (typeof answer?.text === 'string') return answer;
  throw check.optionInvalid(owner, answer, 'a function that returns a promise of a text, or of { text, … }');
}

function resolveUrl(owner: string, baseUrl: string): URL {
  const name = `${owner}.baseUrl`;
  if (typeof baseUrl !== 'string' || !/^https?:\/\//.test(baseUrl) || !URL.canParse(baseUrl)) {
    const shown = String(baseUrl).includes('@') ? 'one with an "@", which is not shown' : baseUrl;
    throw check.optionInvalid(name, shown, 'a URL such as https://api.openai.com/v1');
  }
  const { username, password, search } = new URL(baseUrl);
  if (username === '' && password === '' && search === '')
    return new URL(`${baseUrl.replace(/\/+$/, '')}/chat/completions`);
  throw new ConfigurationError(
    `${name} must be a URL without user, password and query; its value is not shown. Give the key as ${owner}.apiKey`,
    { code: 'option-invalid' },
  );
}

/** Checks that a key can be sent in a header; otherwise `fetch` would show it in its error, at the first request. */
function checkApiKey(owner: string, apiKey: unknown): void {
  if (apiKey === undefined || (typeof apiKey === 'string' && /^[\x21-\x7e]+$/.test(apiKey))) return;
  throw new ConfigurationError(
    `${owner}.apiKey must be a text of ASCII characters without spaces and line breaks; its value is not shown. Leave it out where the server asks for none`,
    { code: 'option-invalid' },
  );
}
