/** A fake Tinker-style server: real HTTP, a real tiny model, and every way in which such servers answer late, twice or not. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { ConfigurationError, type AdamParameters, type JsonValue } from '@agent-lightning/core';
import { encodeLogits, encodeTar } from './fake-files.ts';
import { readRequest, refuseEncoding, toMessage } from './fake-encodings.ts';
import { FakeEngine, type AppliedOperation } from './fake-engine.ts';
import type { Body } from './fake-requests.ts';
import type { PassEncoding } from '../../src/pass-encoding.ts';
import type { ServerKind } from '../../src/server-kinds.ts';
import { FakeFault, fakeShapes, type FakeAnswer } from './fake-shapes.ts';

/** What goes wrong with one request. */
export type TinkerFault =
  /** Answers this status without doing anything. */
  | {
      readonly type: 'status';
      readonly status: number;
      readonly body?: JsonValue;
      readonly headers?: Readonly<Record<string, string>>;
    }
  /** Closes the connection without doing anything. */
  | { readonly type: 'reset' }
  /** Does the work, then closes the connection. */
  | { readonly type: 'lose-response' }
  /** Answers with a page that is no JSON, without doing anything. */
  | { readonly type: 'page' }
  /** Answers a poll as not ready. */
  | { readonly type: 'not-ready'; readonly queueState?: string }
  /** Forgets the future of a poll; what was done stays done. */
  | { readonly type: 'forget' }
  /** Answers when the promise resolves. */
  | { readonly type: 'hold'; readonly until: Promise<unknown> };

export interface TinkerCall {
  /** From 0, in order of arrival. */
  readonly index: number;
  readonly method: string;
  /** Below `/api/v1/`; `forward` also where it came as a `forward_backward` that is forward only. */
  readonly route: string;
  readonly encoding: PassEncoding;
  readonly headers: IncomingMessage['headers'];
  readonly body: Body;
}

export interface FakeTinkerOptions {
  readonly serverKind: ServerKind;
  /** The encodings in which it takes passes; where protobuf is among them, results of passes and samples are protobuf. @default JSON, and protobuf for a Tinker server */
  readonly encodings?: readonly PassEncoding[];
  /** A model directory: its text files go into exports. */
  readonly modelDirectory?: string;
  /** @default 300 */
  readonly vocabularySize?: number;
  /** @default 96 */
  readonly contextLength?: number;
  /** @default 'tiny' */
  readonly modelName?: string;
  /** Of the base model's weights. @default 1 */
  readonly seed?: number;
  /** What the server's configuration fixes of the optimizer. @default none */
  readonly fixedAdam?: Partial<AdamParameters>;
  /** Where a worker writes the adapters that are saved under a name, without weights. @default nowhere */
  readonly adaptersDirectory?: string;
  /** @default a random one */
  readonly apiKey?: string;
}

/** A running fake. */
export interface FakeTinker {
  readonly url: string;
  readonly apiKey: string;
  readonly modelName: string;
  /** Every request so far. */
  readonly calls: readonly TinkerCall[];
  /** Operations in the order in which they took effect. */
  readonly applied: readonly AppliedOperation[];
  readonly engine: FakeEngine;
  /** Decides what goes wrong with each request from now on; undefined for nothing. */
  failWith(fault: ((call: TinkerCall) => TinkerFault | undefined) | undefined): void;
  close(): Promise<void>;
}

/** Starts a fake server on a free port of the loopback interface. */
export async function startFakeTinker(options: FakeTinkerOptions): Promise<FakeTinker> {
  const {
    serverKind,
    modelName = 'tiny',
    vocabularySize = 300,
    contextLength = 96,
    seed = 1,
    fixedAdam = {},
  } = options;
  const { encodings = [serverKind === 'tinker' ? 'protobuf' : 'json'] } = options;
  const apiKey = options.apiKey ?? randomBytes(12).toString('hex');
  const { adaptersDirectory } = options;
  const engine = new FakeEngine({
    serverKind,
    modelName,
    vocabularySize,
    contextLength,
    seed,
    fixedAdam,
    adaptersDirectory,
  });
  const calls: TinkerCall[] = [];
  let failure: ((call: TinkerCall) => TinkerFault | undefined) | undefined;
  const shapes = fakeShapes[serverKind];

  /** Runs what may refuse; a refusal in the serverKind's words. */
  function answer(call: TinkerCall): FakeAnswer | Buffer | Promise<FakeAnswer | Buffer> {
    const { method, route, body } = call;
    const refused = refuseEncoding(serverKind, encodings, call);
    if (refused !== undefined) return refused;
    const accepted = (requestId: string): FakeAnswer => ({
      status: 200,
      body: shapes.accepted(requestId, body.model_id ?? ''),
    });
    const ok = (result: object): FakeAnswer => ({ status: 200, body: result as JsonValue });
    if (method === 'GET' || method === 'DELETE') return answerResource(method, route);
    switch (route) {
      case 'create_session':
        return ok(engine.createSession());
      case 'session_heartbeat':
        return ok(engine.heartbeat(body));
      case 'create_model':
        return accepted(engine.createModel(body));
      case 'unload_model':
        return accepted(engine.unloadModel(body));
      case 'create_sampling_session':
        return ok(engine.createSampler(body));
      case 'unload_sampler':
        if (serverKind === 'worker') return ok(engine.unloadSampler(body));
        break;
      case 'asample':
        return accepted(engine.sample(body));
      case 'weights_info':
        return ok(engine.requireState(String(body.tinker_path)));
      case 'retrieve_future':
        return retrieve(String(body.request_id));
      case 'export_model':
        if (serverKind !== 'worker') break;
        return accepted(engine.operate(route, body));
      default:
        return accepted(engine.operate(route, body));
    }
    throw new FakeFault(404, `no route ${route}`);
  }

  function retrieve(requestId: string): FakeAnswer | Promise<FakeAnswer> {
    const result = engine.future(requestId);
    if (result === undefined) return shapes.unknownFuture();
    if (result instanceof FakeFault) return shapes.failed(result);
    if ('files' in result && 'path' in result) return listExport({ path: String(result.path) });
    return { status: 200, body: result as JsonValue };
  }

  async function listExport(result: { path: string }): Promise<FakeAnswer> {
    const [modelId, , name] = result.path.replace('tinker://', '').split('/');
    const files = await exportFiles(modelId!, name!);
    return {
      status: 200,
      body: { ...result, files: [...files].map(([file, content]) => ({ name: file, size_bytes: content.length })) },
    };
  }

  async function answerResource(method: string, route: string): Promise<FakeAnswer | Buffer> {
    const parts = route.split('/').map(decodeURIComponent);
    if (route === 'get_server_capabilities')
      return { status: 200, body: shapes.capabilities(modelName, contextLength) };
    if (parts[0] === 'exports' && method === 'GET' && parts.length === 4) {
      const file = (await exportFiles(parts[1]!, parts[2]!)).get(parts[3]!);
      if (file !== undefined) return file;
    }
    if (parts[0] === 'training_runs' && parts[2] === 'checkpoints') {
      const [, modelId, , kind, name] = parts;
      if (method === 'DELETE' && serverKind !== 'skyrl') {
        engine.deleteState(`tinker://${modelId}/${kind}/${name}`);
        return { status: 200, body: {} };
      }
      if (name === 'archive' && serverKind !== 'worker')
        return {
          status: 302,
          body: {},
          headers: { location: `/api/v1/training_runs/${modelId}/checkpoints/${kind}/download` },
        };
      if (name === 'download') return encodeTar(await exportFiles(modelId!, kind!));
    }
    throw new FakeFault(404, serverKind === 'skyrl' ? 'Not Found' : `nothing at ${route}`);
  }

  async function exportFiles(modelId: string, name: string): Promise<ReadonlyMap<string, Buffer>> {
    const state = engine.exported(modelId, name);
    if (state === undefined) throw new FakeFault(404, `no export ${name}`);
    const weights = encodeLogits(state.logits, vocabularySize);
    const config = { model_type: 'bigram', vocab_size: vocabularySize };
    if (serverKind === 'tinker')
      return new Map([
        ['adapter_config.json', Buffer.from(JSON.stringify({ r: 32 }))],
        ['adapter_model.safetensors', weights],
      ]);
    const files = new Map<string, Buffer>([['config.json', Buffer.from(JSON.stringify(config))]]);
    for (const file of ['tokenizer.json', 'tokenizer_config.json'])
      files.set(
        file,
        options.modelDirectory === undefined
          ? Buffer.from('{}')
          : Buffer.from(await readFile(join(options.modelDirectory, file), 'utf8')),
      );
    return files.set('model.safetensors', weights);
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const call: TinkerCall = {
      ...(await readRequest(request)),
      index: calls.length,
      method: request.method ?? 'GET',
      headers: request.headers,
    };
    calls.push(call);
    const fault = failure?.(call);
    if (fault?.type === 'hold') await fault.until;
    if (fault?.type === 'reset') return void response.destroy();
    if (fault?.type === 'page') return send(response, { status: 200, body: '' }, '<html>a proxy</html>');
    if (fault?.type === 'status')
      return send(response, { status: fault.status, body: fault.body ?? {}, headers: fault.headers ?? {} });
    if (fault?.type === 'not-ready')
      return send(response, shapes.notReady(String(call.body.request_id), fault.queueState ?? 'active'));
    if (fault?.type === 'forget') {
      engine.forgetFuture(String(call.body.request_id));
      return send(response, shapes.unknownFuture());
    }
    if (serverKind !== 'skyrl' && call.headers['x-api-key'] !== apiKey)
      return send(response, shapes.refused(new FakeFault(401, 'wrong API key')));
    const answered = await Promise.resolve()
      .then(() => answer(call))
      .catch((error: unknown) => {
        if (error instanceof FakeFault) return shapes.refused(error);
        throw error;
      });
    if (fault?.type === 'lose-response') return void response.destroy();
    const message =
      call.route === 'retrieve_future' && !Buffer.isBuffer(answered) && encodings.includes('protobuf')
        ? toMessage(answered.body)
        : undefined;
    if (message !== undefined) response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end(message);
    else if (Buffer.isBuffer(answered)) response.writeHead(200, { 'content-length': answered.length }).end(answered);
    else send(response, answered);
  }

  const server = createServer((request, response) => {
    response.on('error', () => response.destroy());
    handle(request, response).catch((error: unknown) => {
      // A fake that breaks must fail the test that uses it, through the client's error.
      send(response, { status: 418, body: { error: `the fake server broke: ${(error as Error).stack}` } });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address() as AddressInfo | null;
  if (address === null) throw new ConfigurationError('the fake server has no port', { code: 'port-unavailable' });

  return {
    url: `http://127.0.0.1:${address.port}`,
    apiKey,
    modelName,
    calls,
    applied: engine.applied,
    engine,
    failWith(fault): void {
      failure = fault;
    },
    async close(): Promise<void> {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function send(response: ServerResponse, { status, body, headers = {} }: FakeAnswer, text?: string): void {
  response.writeHead(status, { 'content-type': text === undefined ? 'application/json' : 'text/html', ...headers });
  response.end(status === 204 ? undefined : (text ?? JSON.stringify(body)));
}
