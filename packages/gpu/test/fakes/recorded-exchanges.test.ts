/** Sends what was recorded from vLLM 0.32.0 to the fake, and compares what it answers. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startFakeVllm, type FakeVllm, type FakeVllmOptions } from './fake-vllm.ts';

interface Exchange {
  readonly request: { readonly method: string; readonly path: string; readonly body: object | null };
  readonly status: number;
  readonly body: unknown;
}

const recordings = new URL('../__fixtures__/vllm-0.32.0/exchanges.json', import.meta.url);
const exchanges = JSON.parse(readFileSync(recordings, 'utf8')) as Readonly<Record<string, Exchange>>;

let server: FakeVllm;
let adapter: string;
beforeEach(async () => {
  adapter = await mkdtemp(join(tmpdir(), 'adapter-'));
  await writeFile(join(adapter, 'adapter_config.json'), '{"r": 64}');
  await writeFile(join(adapter, 'adapter_model.safetensors'), '');
});
afterEach(async () => {
  await server.close();
  await rm(adapter, { recursive: true });
});

/** Sends a recorded request; what stands for a directory of the recording's machine becomes one of this machine. */
async function replay(name: string, options: FakeVllmOptions = {}, path?: string): Promise<Exchange> {
  server = await startFakeVllm({ model: '/models/tiny-sql', ...options });
  const { request } = exchanges[name]!;
  return await send(path === undefined ? request : { ...request, body: { ...request.body, lora_path: path } });
}

async function send(request: Exchange['request']): Promise<Exchange> {
  const { method, path, body } = request;
  const response = await fetch(`${server.url}${path}`, {
    method,
    ...(body === null ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { request, status: response.status, body: text.startsWith('{') ? JSON.parse(text) : text };
}

/** Describes a value by the names and types in it; of a list, by its first entry; of what is listed by token, by whether it is there. */
function shapeOf(value: unknown, name = ''): unknown {
  if (typeof value !== 'object' || value === null) return value === null ? null : typeof value;
  if (name === 'top_logprobs' || name === 'prompt_logprobs') return 'by token';
  if (Array.isArray(value)) return value.slice(0, 1).map((entry) => shapeOf(entry));
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, shapeOf(entry, key)]));
}

const eventsOf = (stream: unknown): unknown[] =>
  (stream as string)
    .split('\n\n')
    .filter((event) => event.startsWith('data: {'))
    .map((event) => JSON.parse(event.slice('data: '.length)) as unknown);

describe('the fake vLLM', () => {
  it.each<[string, FakeVllmOptions]>([
    ['unload-missing', {}],
    ['models-badkey', { apiKey: 'another' }],
    ['sleep-nodev', {}],
    ['version', {}],
    ['load-missing', {}],
    ['chat-unknown-model', { model: '/tmp/tiny-sql' }],
  ])('answers %s with the recorded status and text', async (name, options) => {
    const { status, body } = exchanges[name]!;
    expect(await replay(name, options)).toMatchObject({ status, body });
  });

  it('answers a refused load with the recorded status and text', async () => {
    const limits = { 'load-rank': { maxLoraRank: 16 }, 'load-not-enabled': { enableLora: false } };
    for (const [name, flags] of Object.entries(limits)) {
      const { status, body } = exchanges[name]!;
      expect(await replay(name, { flags }, adapter)).toMatchObject({ status, body });
      await server.close();
    }
    const { status, body } = exchanges['load-emptydir']!;
    expect(await replay('load-emptydir', {}, join(tmpdir(), 'empty'))).toMatchObject({ status, body });
  });

  it('answers a load of the same name with the recorded status and text', async () => {
    const { request } = await replay('load-again', {}, adapter);
    const { status, body } = exchanges['load-again']!;
    expect(await send(request)).toMatchObject({ status, body });
  });

  it.each(['chat', 'chat-n2', 'completion-onetoken', 'prompt-logprobs'])(
    'answers %s with every field of the recorded reply, and no other',
    async (name) => {
      const { body } = await replay(name, { respond: () => 'SELECT name' });
      const recorded = exchanges[name]!.body as { choices: object[] };
      expect((body as typeof recorded).choices).toHaveLength(recorded.choices.length);
      expect(shapeOf(body)).toEqual(shapeOf(recorded));
    },
  );

  it('streams the first, the middle and the last chunk with the recorded fields', async () => {
    const events = eventsOf((await replay('chat-stream', { respond: () => 'SELECT name FROM x' })).body);
    const recorded = eventsOf(exchanges['chat-stream']!.body);
    for (const index of [0, 1, -1]) expect(shapeOf(events.at(index))).toEqual(shapeOf(recorded.at(index)));
  });

  it('lists models with the recorded fields', async () => {
    const { body } = await replay('models');
    const cards = (exchanges['models']!.body as { data: object[] }).data;
    expect(shapeOf((body as { data: object[] }).data[0])).toEqual({ ...(shapeOf(cards[0]) as object), permission: [] });
  });
});
