/** A vLLM server without a model: adapters, token ids, log-probabilities and administration as vLLM has them on its HTTP interface. */
import type { ServerResponse } from 'node:http';
import type { JsonValue } from '@agent-lightning/core';
import {
  startModelServer,
  type ChatRequest,
  type ModelServer,
  type RecordedCall,
  type Responder,
  type ScriptedReply,
} from '@agent-lightning/testing';
import { FakeAdapters, type AdapterEvent, type AdapterLimits, type Refusal } from './fake-adapters.ts';
import { maskPaths, withVllmFields } from './fake-fields.ts';
import { sampleReply, type LogprobSettings } from './fake-sampling.ts';

export interface FakeVllmOptions {
  /** @default every call is answered 'ok' */
  readonly respond?: Responder;
  /** Calls under `/v1` without `Authorization: Bearer {apiKey}` are answered 401. @default no key is asked for */
  readonly apiKey?: string;
  /** The served base model. @default 'base-model' */
  readonly model?: string;
  /** Sampling fields that a request may have only with a value that changes nothing; others are answered 400. @default none */
  readonly refuse?: readonly string[];
  /** Measures a prompt (T,) for `prompt_logprobs`: (T − 1,), in nats, of each token after those before it. @default -1 for each */
  readonly measurePrompt?: (tokens: readonly number[]) => readonly number[];
  /** The text of a token of a measured prompt. @default one that names its place */
  readonly textOf?: (token: number) => string;
  /** How the server was started; anything left out is as a trainer needs it. */
  readonly flags?: Partial<FakeVllmFlags>;
  /** @default a free one */
  readonly port?: number;
}

/** Flags and environment variables of `vllm serve`, and what its version can. */
export interface FakeVllmFlags extends AdapterLimits, LogprobSettings {
  /** VLLM_ALLOW_RUNTIME_LORA_UPDATING */
  readonly runtimeLoraUpdating: boolean;
  /** VLLM_SERVER_DEV_MODE and --enable-sleep-mode */
  readonly devMode: boolean;
  /** False with --disable-log-stats. */
  readonly logsStatistics: boolean;
  /** False before vLLM 0.10.2. */
  readonly returnsTokenIds: boolean;
}

export interface FakeVllm {
  /** Without `/v1`. */
  readonly url: string;
  /** Ends in `/v1`. */
  readonly baseUrl: string;
  /** Every request so far, answered or not. */
  readonly calls: readonly RecordedCall[];
  readonly adapters: readonly string[];
  readonly adapterEvents: readonly AdapterEvent[];
  readonly isSleeping: boolean;
  /** Makes completions and chats to come wait, as on a slow server, until the returned function is called. */
  hold(): () => void;
  /** Makes health checks answer 503 from now on, or 200 again. */
  setHealthy(isHealthy: boolean): void;
  /** Breaks the connection of the next request to a path, as one that takes too long does. */
  dropNext(path: string): void;
  /** Forgets its adapters, as a restart does that nobody notices. */
  forgetAdapters(): void;
  /** Stops listening and breaks every connection, as a crash does; its adapters are forgotten. */
  lose(): Promise<void>;
  /** Listens again, at the same address. */
  comeBack(): Promise<void>;
  close(): Promise<void>;
}

const defaultFlags: FakeVllmFlags = {
  enableLora: true,
  maxLoras: 4,
  maxCpuLoras: 4,
  maxLoraRank: 64,
  logprobsMode: 'processed_logprobs',
  generationConfig: undefined,
  runtimeLoraUpdating: true,
  devMode: false,
  logsStatistics: true,
  returnsTokenIds: true,
};

/** Values that change nothing about sampling. */
const neutral: Readonly<Record<string, readonly unknown[]>> = {
  top_p: [1],
  top_k: [0, -1],
  min_p: [0],
  presence_penalty: [0],
  frequency_penalty: [0],
  repetition_penalty: [1],
  temperature: [1],
};

/** Starts a fake vLLM on the loopback interface. */
export async function startFakeVllm(options: FakeVllmOptions = {}): Promise<FakeVllm> {
  const fake = new FakeServer(options);
  await fake.listen(options.port ?? 0);
  return fake;
}

/** A scripted model server that vLLM's own routes and refusals are added to. */
class FakeServer implements FakeVllm {
  readonly calls: RecordedCall[] = [];
  isSleeping = false;
  readonly #options: FakeVllmOptions;
  readonly #flags: FakeVllmFlags;
  readonly #adapters: FakeAdapters;
  #server: ModelServer | undefined;
  #url = '';
  #isHealthy = true;
  #held: Promise<void> | undefined;
  #running = 0;
  /** The path of the next request that gets no answer. */
  #dropped: string | undefined;

  constructor(options: FakeVllmOptions) {
    this.#options = options;
    this.#flags = { ...defaultFlags, ...options.flags };
    this.#adapters = new FakeAdapters(this.#flags);
  }

  get url(): string {
    return this.#url;
  }

  get baseUrl(): string {
    return `${this.#url}/v1`;
  }

  get adapters(): readonly string[] {
    return this.#adapters.names;
  }

  get adapterEvents(): readonly AdapterEvent[] {
    return this.#adapters.events;
  }

  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#held = promise;
    return () => {
      if (this.#held === promise) this.#held = undefined;
      resolve();
    };
  }

  setHealthy(isHealthy: boolean): void {
    this.#isHealthy = isHealthy;
  }

  dropNext(path: string): void {
    this.#dropped = path;
  }

  forgetAdapters(): void {
    this.#adapters.forget();
  }

  async listen(port: number): Promise<void> {
    this.#server = await startModelServer({
      port,
      respond: (request, call) => this.#respond(request, call),
      intercept: (call, response) => this.#intercept(call, response),
    });
    this.#url = new URL(this.#server.baseUrl).origin;
  }

  async lose(): Promise<void> {
    await this.close();
    this.#adapters.forget();
    this.isSleeping = false;
  }

  comeBack(): Promise<void> {
    return this.listen(Number(new URL(this.#url).port));
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    await server?.close();
  }

  /** Answers everything but completions and chats with the right key. */
  #intercept(received: RecordedCall, response: ServerResponse): boolean {
    const call = { ...received, index: this.calls.length };
    this.calls.push(call);
    if (call.path === this.#dropped) {
      this.#dropped = undefined;
      response.destroy();
      return true;
    }
    const { apiKey } = this.#options;
    const isAllowed = apiKey === undefined || call.headers.authorization === `Bearer ${apiKey}`;
    if (call.path.startsWith('/v1/') && !isAllowed) sendJson(response, 401, { error: 'Unauthorized' });
    else if (call.method === 'POST' && /^\/v1\/(?:chat\/)?completions$/.test(call.path)) return false;
    else this.#administer(call, response);
    return true;
  }

  #administer({ method, path, body }: RecordedCall, response: ServerResponse): void {
    const route = `${method} ${path}`;
    const fields = (body ?? {}) as Readonly<Record<string, JsonValue>>;
    const { devMode, logsStatistics, runtimeLoraUpdating } = this.#flags;
    if (route === 'GET /health') return void response.writeHead(this.#isHealthy ? 200 : 503).end();
    if (route === 'GET /version') return sendJson(response, 200, { version: '0.32.0' });
    if (route === 'GET /v1/models') return sendJson(response, 200, this.#models());
    if (route === 'GET /metrics' && logsStatistics)
      return void response.writeHead(200, { 'content-type': 'text/plain' }).end(this.#metrics());
    if (runtimeLoraUpdating && route === 'POST /v1/load_lora_adapter') {
      const { lora_name: name, lora_path: directory } = fields;
      const refusal = this.#adapters.load(name, directory);
      return sendDone(response, refusal, `LoRA adapter '${String(name)}' added successfully.`);
    }
    if (runtimeLoraUpdating && route === 'POST /v1/unload_lora_adapter') {
      const { lora_name: name } = fields;
      return sendDone(response, this.#adapters.unload(name), `LoRA adapter '${String(name)}' removed successfully.`);
    }
    if (devMode && ['POST /sleep', 'POST /wake_up'].includes(route)) {
      const level = new URL(response.req.url ?? '', this.#url).searchParams.get('level') ?? '1';
      this.isSleeping = path === '/sleep' && ['1', '2'].includes(level);
      return void response.writeHead(200).end();
    }
    if (devMode && route === 'GET /is_sleeping') return sendJson(response, 200, { is_sleeping: this.isSleeping });
    return sendJson(response, 404, { detail: 'Not Found' });
  }

  async #respond(request: ChatRequest, call: RecordedCall): Promise<ScriptedReply> {
    const refused = this.#options.refuse?.find((field) => !isNeutral(field, request[field]));
    if (refused !== undefined) {
      const message = `${refused} is ${JSON.stringify(request[refused])}, which this server was told to refuse`;
      return toReply({ status: 400, type: 'BadRequestError', message });
    }
    if (this.isSleeping) return toReply({ status: 500, type: 'InternalServerError', message: 'The engine is asleep.' });
    const model = request.model ?? this.#baseModel;
    const release = model === this.#baseModel ? () => undefined : this.#adapters.use(model, this.#baseModel);
    if (typeof release !== 'function') return toReply(release);
    this.#running += 1;
    void call.finished.then(() => {
      release();
      this.#running -= 1;
    });
    await this.#held;
    const scripted = (await this.#options.respond?.(request, call)) ?? 'ok';
    const given = typeof scripted === 'string' ? { content: scripted } : scripted;
    const reply = sampleReply(request, { reportsTokens: this.#flags.returnsTokenIds, ...given }, this.#flags);
    const promptLogprobs = this.#promptLogprobs(request);
    return {
      ...reply,
      rewrite: (payload, index) => withVllmFields(reply.rewrite?.(payload, index) ?? payload, promptLogprobs),
    };
  }

  /** Returns what a reply lists for the tokens of a prompt that is to be measured; null when it is not. */
  #promptLogprobs({ prompt, prompt_logprobs: wanted }: ChatRequest): readonly unknown[] | null {
    if (typeof wanted !== 'number' || !Array.isArray(prompt)) return null;
    const logprobs = this.#options.measurePrompt?.(prompt) ?? prompt.slice(1).map(() => -1);
    return [
      null,
      ...logprobs.map((logprob, t) => ({
        [String(prompt[t + 1])]: {
          logprob,
          rank: 1,
          decoded_token: this.#options.textOf?.(prompt[t + 1] as number) ?? `token ${t + 1}`,
        },
      })),
    ];
  }

  get #baseModel(): string {
    return this.#options.model ?? 'base-model';
  }

  #models(): object {
    const card = { object: 'model', created: 1_700_000_000, owned_by: 'vllm', max_model_len: null, permission: [] };
    const adapters = this.#adapters.names.map((id) => ({
      ...card,
      id,
      root: this.#adapters.pathOf(id),
      parent: this.#baseModel,
    }));
    const base = { ...card, id: this.#baseModel, root: this.#baseModel, parent: null, max_model_len: 4096 };
    return { object: 'list', data: [base, ...adapters] };
  }

  #metrics(): string {
    const running = this.#adapters.running.join(',');
    return [
      `vllm:num_requests_running{engine="0",model_name="${this.#baseModel}"} ${this.#running}.0`,
      `vllm:num_requests_waiting{engine="0",model_name="${this.#baseModel}"} 0.0`,
      // As on a real server: what an earlier iteration said stays listed, with an older time.
      `vllm:lora_requests_info{max_lora="4",running_lora_adapters="stale-adapter",waiting_lora_adapters=""} 1.700000000e+09`,
      `vllm:lora_requests_info{max_lora="4",running_lora_adapters="${running}",waiting_lora_adapters=""} 1.800000000e+09`,
      '',
    ].join('\n');
  }
}

function isNeutral(field: string, value: unknown): boolean {
  return value === undefined || value === null || (neutral[field] ?? []).includes(value);
}

/** The body of vLLM's errors. */
function errorBody({ status, type, message, param }: Refusal): object {
  return { error: { message: maskPaths(message), type, param: param ?? null, code: status } };
}

/** A refusal as a reply of the scripted model server. */
function toReply(refusal: Refusal): ScriptedReply {
  const body = JSON.stringify(errorBody(refusal));
  return { fault: { type: 'status', status: refusal.status, body } };
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

/** Answers a change of adapters: a refusal as JSON, success as plain text. */
function sendDone(response: ServerResponse, refusal: Refusal | undefined, success: string): void {
  if (refusal !== undefined) return sendJson(response, refusal.status, errorBody(refusal));
  response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' }).end(`Success: ${success}`);
}
