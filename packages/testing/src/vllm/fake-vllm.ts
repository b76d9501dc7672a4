/** A vLLM server without a model: adapters, token ids, log-probabilities and administration on vLLM's own wire. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { JsonValue } from '@agent-lightning/core';
import { asChatRequest } from '../model-server/completion-wire.ts';
import type { RecordedCall, Responder } from '../model-server/model-server.ts';
import { readBody } from '../model-server/read-body.ts';
import { chatRoute, completionRoute, partsOf, type Route } from '../model-server/reply-parts.ts';
import type { ChatRequest } from '../model-server/scripted-reply.ts';
import { writeReply } from '../model-server/write-reply.ts';
import { AdapterShelf, type AdapterEvent, type AdapterLimits, type Refusal } from './adapters.ts';
import { sampleReply, type LogprobSettings } from './sampling.ts';

export interface FakeVllmOptions {
  /** @default every call is answered 'ok' */
  readonly respond?: Responder;
  /** Calls under `/v1` without `Authorization: Bearer {apiKey}` are answered 401. @default no key is asked for */
  readonly apiKey?: string;
  /** The served base model. @default 'base-model' */
  readonly model?: string;
  /** Sampling fields that a request may have only with a value that changes nothing; others are answered 400. @default none */
  readonly refuse?: readonly string[];
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
  /** Completions and chats to come wait, as on a slow server, until what this returns is called. */
  hold(): () => void;
  /** Health checks answer 503 from now on, or 200 again. */
  setHealthy(isHealthy: boolean): void;
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

/** What changes nothing about sampling. */
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

class FakeServer implements FakeVllm {
  readonly calls: RecordedCall[] = [];
  isSleeping = false;
  readonly #options: FakeVllmOptions;
  readonly #flags: FakeVllmFlags;
  readonly #shelf: AdapterShelf;
  #server: Server | undefined;
  #port = 0;
  #isHealthy = true;
  #held: Promise<void> | undefined;
  #running = 0;

  constructor(options: FakeVllmOptions) {
    this.#options = options;
    this.#flags = { ...defaultFlags, ...options.flags };
    this.#shelf = new AdapterShelf(this.#flags);
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get baseUrl(): string {
    return `${this.url}/v1`;
  }

  get adapters(): readonly string[] {
    return this.#shelf.names;
  }

  get adapterEvents(): readonly AdapterEvent[] {
    return this.#shelf.events;
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

  async listen(port: number): Promise<void> {
    const server = createServer((request, response) => {
      response.on('error', () => response.destroy());
      this.#handle(request, response).catch((error: unknown) => {
        // A script that throws must fail the test that wrote it, through the client's error.
        if (response.headersSent) response.destroy();
        else sendError(response, { status: 500, type: 'InternalServerError', message: String(error) });
      });
    });
    this.#server = server;
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    this.#port = (server.address() as AddressInfo).port;
  }

  async lose(): Promise<void> {
    await this.close();
    this.#shelf.forget();
    this.isSleeping = false;
  }

  comeBack(): Promise<void> {
    return this.listen(this.#port);
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [path = '/', query = ''] = (request.url ?? '/').split('?');
    const body = await readBody(request);
    const call: RecordedCall = {
      index: this.calls.length,
      method: request.method ?? 'GET',
      path,
      headers: request.headers,
      body,
      finished: new Promise((resolve) => response.once('close', () => resolve(response.writableFinished))),
    };
    this.calls.push(call);
    const { apiKey } = this.#options;
    if (path.startsWith('/v1/') && apiKey !== undefined && request.headers.authorization !== `Bearer ${apiKey}`)
      return sendJson(response, 401, { error: 'Unauthorized' });
    const route = `${call.method} ${path}`;
    if (route === 'POST /v1/chat/completions') return this.#answer(chatRoute, call, response);
    if (route === 'POST /v1/completions') return this.#answer(completionRoute, call, response);
    return this.#administer(route, new URLSearchParams(query), call, response);
  }

  #administer(route: string, query: URLSearchParams, { body }: RecordedCall, response: ServerResponse): void {
    const fields = (body ?? {}) as Readonly<Record<string, JsonValue>>;
    const { devMode, logsStatistics, runtimeLoraUpdating } = this.#flags;
    if (route === 'GET /health') return void response.writeHead(this.#isHealthy ? 200 : 503).end();
    if (route === 'GET /v1/models') return sendJson(response, 200, this.#models());
    if (route === 'GET /metrics' && logsStatistics)
      return void response.writeHead(200, { 'content-type': 'text/plain' }).end(this.#metrics());
    if (runtimeLoraUpdating && route === 'POST /v1/load_lora_adapter') {
      const { lora_name: name, lora_path: path } = fields;
      return sendDone(response, this.#shelf.load(name, path), `LoRA adapter '${String(name)}' added successfully.`);
    }
    if (runtimeLoraUpdating && route === 'POST /v1/unload_lora_adapter') {
      const { lora_name: name } = fields;
      return sendDone(response, this.#shelf.unload(name), `LoRA adapter '${String(name)}' removed successfully.`);
    }
    if (devMode && route === 'POST /sleep') return this.#sleep(query.get('level') ?? '1', response);
    if (devMode && route === 'POST /wake_up') {
      this.isSleeping = false;
      return void response.writeHead(200).end();
    }
    if (devMode && route === 'GET /is_sleeping') return sendJson(response, 200, { is_sleeping: this.isSleeping });
    return sendJson(response, 404, { detail: 'Not Found' });
  }

  #sleep(level: string, response: ServerResponse): void {
    this.isSleeping = level === '1' || level === '2';
    response.writeHead(200).end();
  }

  async #answer(route: Route, call: RecordedCall, response: ServerResponse): Promise<void> {
    const body = (call.body ?? {}) as Record<string, unknown>;
    const request: ChatRequest = route === completionRoute ? asChatRequest(body) : (body as unknown as ChatRequest);
    const refused = this.#options.refuse?.find((field) => !isNeutral(field, body[field]));
    if (refused !== undefined) {
      const message = `${refused} is ${JSON.stringify(body[refused])}, which this server was told to refuse`;
      return sendError(response, { status: 400, type: 'BadRequestError', message });
    }
    if (this.isSleeping)
      return sendError(response, { status: 500, type: 'InternalServerError', message: 'The engine is asleep.' });
    const model = request.model ?? this.#baseModel;
    const leave = model === this.#baseModel ? () => undefined : this.#shelf.use(model);
    if (typeof leave !== 'function') return sendError(response, leave);
    this.#running += 1;
    try {
      await this.#held;
      const scripted = (await this.#options.respond?.(request, call)) ?? 'ok';
      const given = typeof scripted === 'string' ? { content: scripted } : scripted;
      const reply = sampleReply(request, { reportsTokens: this.#flags.returnsTokenIds, ...given }, this.#flags);
      await writeReply(response, partsOf(route, request, reply, call.index), reply.fault, reply.writeBytes);
    } finally {
      leave();
      this.#running -= 1;
    }
  }

  get #baseModel(): string {
    return this.#options.model ?? 'base-model';
  }

  #models(): object {
    const card = { object: 'model', created: 1_700_000_000, owned_by: 'vllm', max_model_len: null };
    const adapters = this.#shelf.names.map((id) => ({
      ...card,
      id,
      root: this.#shelf.pathOf(id),
      parent: this.#baseModel,
    }));
    const base = { ...card, id: this.#baseModel, root: this.#baseModel, parent: null, max_model_len: 4096 };
    return { object: 'list', data: [base, ...adapters] };
  }

  #metrics(): string {
    const running = this.#shelf.running.join(',');
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

function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function sendError(response: ServerResponse, { status, type, message }: Refusal): void {
  sendJson(response, status, { error: { message, type, param: null, code: status } });
}

/** vLLM says success as plain text. */
function sendDone(response: ServerResponse, refusal: Refusal | undefined, success: string): void {
  if (refusal !== undefined) return sendError(response, refusal);
  response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' }).end(`Success: ${success}`);
}
