import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startFakeVllm, type FakeVllm, type FakeVllmOptions } from './fake-vllm.ts';

let server: FakeVllm;
let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'adapter-'));
  await writeFile(join(directory, 'adapter_config.json'), '{"r": 16}');
  await writeFile(join(directory, 'adapter_model.safetensors'), '');
});
afterEach(async () => {
  await server.close();
  await rm(directory, { recursive: true });
});

const start = async (options: FakeVllmOptions = {}): Promise<FakeVllm> => (server = await startFakeVllm(options));
const post = async (path: string, body: object): Promise<{ status: number; text: string }> => {
  const response = await fetch(`${server.url}${path}`, { method: 'POST', body: JSON.stringify(body) });
  return { status: response.status, text: await response.text() };
};
const load = (name: string, path = directory): ReturnType<typeof post> =>
  post('/v1/load_lora_adapter', { lora_name: name, lora_path: path });
const complete = (fields: object = {}): ReturnType<typeof post> =>
  post('/v1/completions', { model: 'base-model', prompt: 'x', ...fields });

describe('startFakeVllm', () => {
  it('loads and unloads adapters, and says so as vLLM does', async () => {
    await start();
    expect(await load('a')).toEqual({ status: 200, text: "Success: LoRA adapter 'a' added successfully." });
    expect(await load('a')).toMatchObject({ status: 400, text: expect.stringContaining('has already been loaded') });
    expect(await load('b', '/nowhere')).toMatchObject({
      status: 404,
      text: expect.stringContaining('Loading lora b failed: No adapter found for /nowhere'),
    });
    expect(await post('/v1/unload_lora_adapter', { lora_name: 'a' })).toMatchObject({ status: 200 });
    expect(await post('/v1/unload_lora_adapter', { lora_name: 'a' })).toMatchObject({
      status: 404,
      text: expect.stringContaining("The lora adapter 'a' cannot be found."),
    });
    expect(await complete({ model: 'a' })).toMatchObject({
      status: 404,
      text: expect.stringContaining('The model `a` does not exist.'),
    });
  });

  it('refuses a rank above its limit', async () => {
    await start({ flags: { maxLoraRank: 8 } });
    expect(await load('a')).toMatchObject({ status: 500, text: expect.stringContaining('max_lora_rank 8') });
  });

  it('reads the least recently used adapter again, from its files, once others took its place', async () => {
    await start({ flags: { maxCpuLoras: 2 } });
    for (const name of ['a', 'b', 'c']) await load(name);
    expect((await complete({ model: 'a' })).status).toBe(200);
    expect(server.adapterEvents.map(({ type, name }) => `${type} ${name}`)).toEqual([
      'load a',
      'load b',
      'load c',
      'evict a',
      'reload a',
      'evict b',
    ]);
    await rm(join(directory, 'adapter_model.safetensors'));
    expect((await complete({ model: 'b' })).status).toBe(500);
  });

  it('bends log-probabilities by the temperature only when told to report processed ones', async () => {
    const gapAt = async (temperature: number): Promise<number> => {
      const { text } = await complete({ temperature, logprobs: 2, max_tokens: 1 });
      const { choices } = JSON.parse(text) as { choices: { logprobs: { top_logprobs: Record<string, number>[] } }[] };
      const [chosen, other] = Object.values(choices[0]?.logprobs.top_logprobs[0] ?? {}) as [number, number];
      expect(Math.exp(chosen) + Math.exp(other)).toBeCloseTo(1, 12);
      return chosen - other;
    };
    await start();
    expect((await gapAt(1)) / (await gapAt(2))).toBeCloseTo(2, 12);
    await server.close();
    await start({ flags: { logprobsMode: 'raw_logprobs' } });
    expect(await gapAt(1)).toBe(await gapAt(2));
  });

  it('shows which adapters are busy while a call is held', async () => {
    await start();
    await load('a');
    const letGo = server.hold();
    const call = complete({ model: 'a' });
    while (server.calls.at(-1)?.path !== '/v1/completions') await new Promise((resolve) => setImmediate(resolve));
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    expect(metrics).toMatch(/vllm:num_requests_running\{.*\} 1/);
    expect(metrics).toContain('running_lora_adapters="a"');
    letGo();
    expect((await call).status).toBe(200);
  });

  it('refuses the sampling fields that it is told to', async () => {
    await start({ refuse: ['top_p'] });
    expect((await complete({ top_p: 1 })).status).toBe(200);
    expect(await complete({ top_p: 0.9 })).toMatchObject({
      status: 400,
      text: expect.stringContaining('top_p is 0.9'),
    });
  });

  it('forgets its adapters when it is lost, and comes back at the same address', async () => {
    await start();
    await load('a');
    const { url } = server;
    await server.lose();
    await expect(fetch(`${url}/health`)).rejects.toThrow('fetch failed');
    await server.comeBack();
    expect((await fetch(`${url}/health`)).status).toBe(200);
    expect(server.adapters).toEqual([]);
  });
});
