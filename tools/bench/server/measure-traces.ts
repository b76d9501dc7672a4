/**
 * Measures how many spans of OpenTelemetry a server takes for each second of its CPU, all of its threads together: spans of model calls with 18 attributes, as
 * protobuf, over eight connections.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { Agent, fetch } from 'undici';

const connections = 8;

/** Tells how many spans one server took. */
export interface MeasuredTraces {
  readonly store: string;
  readonly spansPerExport: number;
  readonly spansPerCpuSecond: number;
  readonly spansPerSecond: number;
}

/** Sends about `count` spans to a server with a store of its own. */
export async function measureTraces(
  store: 'memory' | 'sqlite',
  spansPerExport: number,
  count: number,
): Promise<MeasuredTraces> {
  const directory = await mkdtemp(join(tmpdir(), 'bench-otlp-'));
  const program = join(import.meta.dirname, 'trace-process.ts');
  const server = fork(program, store === 'memory' ? [] : [join(directory, 'store.sqlite')], {
    execArgv: process.execArgv,
  });
  try {
    const { url } = (await next(server)) as { readonly url: string };
    const attempts = await startAttempts(url);
    // The first exports compile what the others run.
    await sendAll(url, attempts, spansPerExport, Math.min(count, 5_000));
    const before = await askCpu(server);
    const startedMs = performance.now();
    const sent = await sendAll(url, attempts, spansPerExport, count);
    const seconds = (performance.now() - startedMs) / 1_000;
    const cpuSeconds = (await askCpu(server)) - before;
    return {
      store,
      spansPerExport,
      spansPerCpuSecond: Math.round(sent / cpuSeconds),
      spansPerSecond: Math.round(sent / seconds),
    };
  } finally {
    server.disconnect();
    await once(server, 'exit');
    await rm(directory, { recursive: true, force: true });
  }
}

async function next(server: ChildProcess): Promise<unknown> {
  return ((await once(server, 'message')) as unknown[])[0];
}

async function askCpu(server: ChildProcess): Promise<number> {
  const answer = next(server);
  server.send('cpu');
  const { cpu } = (await answer) as { readonly cpu: NodeJS.CpuUsage };
  return (cpu.user + cpu.system) / 1e6;
}

interface AttemptIds {
  readonly rollout_id: string;
  readonly attempt_id: string;
}

async function startAttempts(url: string): Promise<readonly AttemptIds[]> {
  const post = async (path: string, body: unknown): Promise<unknown> => {
    const headers = { 'content-type': 'application/json' };
    return (await fetch(`${url}/v1/agl/${path}`, { method: 'POST', headers, body: JSON.stringify(body) })).json();
  };
  await post('queues/rollouts/enqueue', {
    rollouts: Array.from({ length: connections }, (_item, input) => ({ input })),
  });
  const claimed = (await post('queues/rollouts/dequeue', { limit: connections })) as readonly { attempt: AttemptIds }[];
  return claimed.map(({ attempt }) => attempt);
}

let nextSpan = 1;

/** Sends exports over all connections at once; returns how many spans were sent. */
async function sendAll(
  url: string,
  attempts: readonly AttemptIds[],
  spansPerExport: number,
  count: number,
): Promise<number> {
  const dispatcher = new Agent({ connections });
  let sent = 0;
  const work = async (ids: AttemptIds): Promise<void> => {
    while (sent < count) {
      sent += spansPerExport;
      const response = await fetch(`${url}/v1/traces`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-protobuf' },
        body: encodeExport(ids, spansPerExport),
        dispatcher,
      });
      const rejected = (await response.arrayBuffer()).byteLength;
      if (!response.ok || rejected > 0)
        throw new TypeError(`the server answered ${response.status} and rejected spans`);
    }
  };
  await Promise.all(attempts.map(work));
  await dispatcher.close();
  return sent;
}

const traceId = Buffer.from('0af7651916cd43dd8448eb211c80319c', 'hex');
const attributes: Readonly<Record<string, string | number>> = {
  'gen_ai.operation.name': 'chat',
  'gen_ai.provider.name': 'openai',
  'gen_ai.request.model': 'gpt-4o-mini',
  'gen_ai.request.max_tokens': 256,
  'gen_ai.response.model': 'gpt-4o-mini',
  'gen_ai.usage.input_tokens': 120,
  'gen_ai.usage.output_tokens': 42,
  'gen_ai.prompt.0.role': 'system',
  'gen_ai.prompt.0.content': 'You answer questions about cities in one sentence.',
  'gen_ai.prompt.1.role': 'user',
  'gen_ai.prompt.1.content': 'Which river flows through Paris, and how long is it?',
  'gen_ai.completion.0.role': 'assistant',
  'gen_ai.completion.0.finish_reason': 'stop',
  'gen_ai.completion.0.content': 'The Seine, which is 777 kilometres long.',
  'server.address': 'api.openai.com',
  'server.port': 443,
  'http.request.method': 'POST',
  'thread.id': 12,
};

function encodeExport(ids: AttemptIds, spans: number): Buffer {
  const writer = new BinaryWriter();
  writer.tag(1, WireType.LengthDelimited).fork();
  writer.tag(1, WireType.LengthDelimited).fork();
  writeAttribute(writer, 1, 'agentlightning.rollout_id', ids.rollout_id);
  writeAttribute(writer, 1, 'agentlightning.attempt_id', ids.attempt_id);
  writer.join();
  writer.tag(2, WireType.LengthDelimited).fork();
  for (let index = 0; index < spans; index++) writeSpan(writer);
  writer.join().join();
  return Buffer.from(writer.finish());
}

function writeSpan(writer: BinaryWriter): void {
  const spanId = Buffer.alloc(8);
  spanId.writeUInt32BE(nextSpan++, 4);
  writer.tag(2, WireType.LengthDelimited).fork();
  writer.tag(1, WireType.LengthDelimited).bytes(traceId);
  writer.tag(2, WireType.LengthDelimited).bytes(spanId);
  writer.tag(5, WireType.LengthDelimited).string('chat gpt-4o-mini');
  writer.tag(7, WireType.Bit64).fixed64('1795899993097287567');
  writer.tag(8, WireType.Bit64).fixed64('1795899993395752678');
  for (const [key, value] of Object.entries(attributes)) writeAttribute(writer, 9, key, value);
  writer.join();
}

function writeAttribute(writer: BinaryWriter, field: number, key: string, value: string | number): void {
  writer.tag(field, WireType.LengthDelimited).fork();
  writer.tag(1, WireType.LengthDelimited).string(key);
  writer.tag(2, WireType.LengthDelimited).fork();
  if (typeof value === 'string') writer.tag(1, WireType.LengthDelimited).string(value);
  else writer.tag(3, WireType.Varint).int64(value);
  writer.join().join();
}
