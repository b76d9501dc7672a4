/** Calls one vLLM server's administrative routes: health, models, adapters, running calls, one-token completions, log-probabilities of a prompt. */
import { BackendError, ConfigurationError, LightningError } from '@agent-lightning/core';
import { readBusyAdapters } from './busy-adapters.ts';

export interface VllmClientOptions {
  /** The server's address, without `/v1` and without a trailing slash. */
  readonly url: string;
  readonly apiKey: string | undefined;
  readonly fetch: typeof globalThis.fetch;
}

/** A completion of one token; a field that the reply leaves out is undefined. */
export interface OneToken {
  readonly model: unknown;
  readonly tokenIds: readonly number[] | undefined;
  readonly logprobs: readonly number[] | undefined;
  /** Log-probabilities of the likeliest tokens, in nats, by their text. */
  readonly alternatives: ReadonlyMap<string, number>;
}

/** A prompt as a model sees it, by token. */
export interface ScoredPrompt {
  /** Shape (T,), nats: the log-probability of each token after those before it; 0 for the first. */
  readonly logprobs: Float32Array;
  /** The text of each token, by the server's tokenizer; undefined for the first, and where the server does not say. */
  readonly texts: readonly (string | undefined)[];
}

/** The error of a server that does not answer. */
export class VllmAway extends BackendError {}

const quickMs = 10_000;
/** The time limit of slow calls: an adapter may come from a slow disk, and a first completion may compile kernels. */
const slowMs = 300_000;

export class VllmClient {
  readonly url: string;
  readonly #options: VllmClientOptions;

  constructor(options: VllmClientOptions) {
    this.url = options.url;
    this.#options = options;
  }

  async isHealthy(): Promise<boolean> {
    try {
      return (await this.#send('GET', '/health', undefined, quickMs)).status === 200;
    } catch (error) {
      if (error instanceof VllmAway) return false;
      throw error;
    }
  }

  /**
   * Refuses a LiteLLM proxy, which looks like an inference server until an adapter is loaded. One that does not answer yet is none.
   * @throws {ConfigurationError} `option-unsupported`, with what to give instead
   */
  async refuseProxy(): Promise<void> {
    const route = '/health/liveliness'; // LiteLLM's own spelling; vLLM has no such route
    const reply = await this.#send('GET', route, undefined, quickMs).catch((error: unknown) => {
      if (error instanceof VllmAway) return undefined;
      throw error;
    });
    if (reply?.status !== 200 || !reply.text.includes("I'm alive!")) return;
    throw new ConfigurationError(
      `vllm: url ${this.url} is a LiteLLM proxy: it has no routes for adapters, and leaves token ids out of what it streams. Give the vLLM servers behind it, or a pass-through endpoint of LiteLLM to each (docs/vllm.md).`,
      { code: 'option-unsupported' },
    );
  }

  /** Returns the served base model, and the adapters that are loaded. */
  async models(): Promise<{ readonly base: string; readonly adapters: ReadonlySet<string> }> {
    const reply = await this.#expect('GET', '/v1/models', undefined, quickMs);
    const cards = ((reply.json as { data?: unknown })?.data ?? []) as readonly { id?: unknown; parent?: unknown }[];
    const base = cards.find((card) => typeof card.id === 'string' && (card.parent ?? null) === null);
    if (base === undefined) throw this.#malformed('/v1/models', 'no base model');
    return {
      base: base.id as string,
      adapters: new Set(cards.filter((card) => card !== base).map((card) => String(card.id))),
    };
  }

  /** Loads an adapter. A name that is loaded already is no error, since no two adapters have the same name. */
  async loadAdapter(name: string, path: string): Promise<void> {
    const route = '/v1/load_lora_adapter';
    const reply = await this.#send('POST', route, { lora_name: name, lora_path: path }, slowMs);
    if (reply.status === 200 || (reply.status === 400 && /already been loaded/.test(reply.message))) return;
    throw this.#loadError(reply, path) ?? this.#rejected(route, reply);
  }

  /** Unloads an adapter. A name that is not loaded is no error. */
  async unloadAdapter(name: string): Promise<void> {
    const route = '/v1/unload_lora_adapter';
    const reply = await this.#send('POST', route, { lora_name: name }, slowMs);
    if (reply.status !== 200 && reply.status !== 404) throw this.#rejected(route, reply);
  }

  /** Returns the adapters that calls run on or wait for; 'unknown' when calls run and the server does not say on which. */
  async busyAdapters(): Promise<ReadonlySet<string> | 'unknown'> {
    const reply = await this.#send('GET', '/metrics', undefined, quickMs);
    const busy = reply.status === 200 ? readBusyAdapters(reply.text) : undefined;
    if (busy !== undefined) return busy;
    throw this.needs(
      'it shows no vllm:num_requests_running under /metrics, so it is not known when an old adapter may be unloaded',
      'without --disable-log-stats',
    );
  }

  async completeOneToken(model: string, prompt: string, sampling: object): Promise<OneToken> {
    const body = { model, prompt, max_tokens: 1, logprobs: 5, return_token_ids: true, ...sampling };
    const { json } = await this.#expect('POST', '/v1/completions', body, slowMs);
    const { model: answered, choices } = (json ?? {}) as { model?: unknown; choices?: readonly Choice[] };
    const choice = choices?.[0];
    return {
      model: answered,
      tokenIds: choice?.token_ids ?? undefined,
      logprobs: choice?.logprobs?.token_logprobs ?? undefined,
      alternatives: new Map(Object.entries(choice?.logprobs?.top_logprobs?.[0] ?? {})),
    };
  }

  /**
   * Returns how likely a model finds each token of a prompt after those before it.
   * @param signal breaks off the call, which then throws {@link VllmAway}
   * @throws {BackendError} `backend-failed` when the reply lacks one
   */
  async scorePrompt(model: string, tokens: Int32Array, signal?: AbortSignal): Promise<ScoredPrompt> {
    const body = { model, prompt: [...tokens], max_tokens: 1, temperature: 1, prompt_logprobs: 0 };
    const { json } = await this.#expect('POST', '/v1/completions', body, slowMs, signal);
    const listed = (json as { choices?: readonly Choice[] } | undefined)?.choices?.[0]?.prompt_logprobs ?? [];
    const found = Array.from(tokens, (token, t) => (t === 0 ? undefined : listed[t]?.[String(token)]));
    const logprobs = Float32Array.from(found, (each, t) => (t === 0 ? 0 : (each?.logprob ?? Number.NaN)));
    if (logprobs.every(Number.isFinite))
      return { logprobs, texts: found.map((each) => each?.decoded_token ?? undefined) };
    throw this.#malformed('/v1/completions', 'prompt_logprobs lacks a token of the prompt');
  }

  /** Frees the GPU memory of the weights, which are kept in CPU memory, and of the key-value cache. */
  async sleep(): Promise<void> {
    await this.#develop('/sleep?level=1');
  }

  async wake(): Promise<void> {
    await this.#develop('/wake_up');
  }

  /** Returns an error `option-unsupported` that names the flag that the server needs. */
  needs(problem: string, flag: string): ConfigurationError {
    return new ConfigurationError(
      `vLLM at ${this.url} cannot serve a policy in training: ${problem}. Start it ${flag}.`,
      {
        code: 'option-unsupported',
      },
    );
  }

  async #develop(path: string): Promise<void> {
    const reply = await this.#send('POST', path, undefined, slowMs);
    if (reply.status === 404) {
      throw this.needs(
        'it has no route /sleep',
        'with --enable-sleep-mode and the environment variable VLLM_SERVER_DEV_MODE=1',
      );
    }
    if (reply.status !== 200) throw this.#rejected(path, reply);
  }

  #loadError({ status, message, json }: Reply, path: string): ConfigurationError | undefined {
    if (status === 404 && (json as { detail?: unknown } | undefined)?.detail !== undefined)
      return this.needs(
        'it has no route /v1/load_lora_adapter',
        'with the environment variable VLLM_ALLOW_RUNTIME_LORA_UPDATING=True',
      );
    if (/lora is not enabled/i.test(message)) return this.needs(message, 'with --enable-lora');
    if (/max_lora_rank/.test(message)) return this.needs(message, 'with a --max-lora-rank of at least the adapter');
    if (status !== 404) return undefined;
    return new ConfigurationError(
      `vLLM at ${this.url} finds no adapter in ${path} (${message}). It must see the same files under the same path as the training worker: run both on one machine, or share that directory.`,
      { code: 'option-invalid' },
    );
  }

  async #expect(...call: Call): Promise<Reply> {
    const [, path] = call;
    const reply = await this.#send(...call);
    if (reply.status === 200) return reply;
    throw this.#rejected(path, reply);
  }

  #rejected(path: string, { status, message }: Reply): BackendError {
    if (status === 401) {
      return new BackendError(`vLLM at ${this.url} refuses the API key; give the one that it was started with.`, {
        code: 'unauthorized',
      });
    }
    return new BackendError(`vLLM at ${this.url} answered ${path} with ${status}: ${message.slice(0, 1_000)}`, {
      code: 'backend-failed',
    });
  }

  #malformed(path: string, problem: string): BackendError {
    return new BackendError(`${this.url}${path} does not answer as vLLM does: ${problem}.`, { code: 'backend-failed' });
  }

  async #send(...[method, path, body, timeoutMs, signal]: Call): Promise<Reply> {
    const { url, apiKey, fetch } = this.#options;
    try {
      const response = await fetch(`${url}${path}`, {
        method,
        redirect: 'manual',
        signal: AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(signal === undefined ? [] : [signal])]),
        headers: {
          ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return readReply(response.status, await response.text(), apiKey);
    } catch (cause) {
      const { code, message } = ((cause as Error).cause ?? cause) as NodeJS.ErrnoException;
      throw new VllmAway(`vLLM at ${url} does not answer ${path}: ${code ?? message}`, {
        code: 'backend-failed',
        retryable: true,
        cause,
      });
    }
  }
}

type Call = [method: 'GET' | 'POST', path: string, body: object | undefined, timeoutMs: number, signal?: AbortSignal];

interface Choice {
  readonly token_ids?: readonly number[] | null;
  readonly logprobs?: {
    readonly token_logprobs?: readonly number[];
    readonly top_logprobs?: readonly Readonly<Record<string, number>>[];
  } | null;
  /** By position, null for the first: the prompt's token, and the likeliest ones where they were asked for, by id. */
  readonly prompt_logprobs?: readonly (Readonly<Record<string, PromptToken>> | null)[] | null;
}

interface PromptToken {
  readonly logprob: number;
  readonly decoded_token?: string | null;
}

interface Reply {
  readonly status: number;
  readonly text: string;
  readonly json: unknown;
  /** The server's message of an error; the text of any other reply. */
  readonly message: string;
}

function readReply(status: number, text: string, apiKey: string | undefined): Reply {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { status, text, json: undefined, message: LightningError.hideKey(text, apiKey) }; // success is plain text on some routes
  }
  const { error } = (json ?? {}) as { error?: { message?: unknown } };
  const message = typeof error?.message === 'string' ? error.message : text;
  return { status, text, json, message: LightningError.hideKey(message, apiKey) };
}
