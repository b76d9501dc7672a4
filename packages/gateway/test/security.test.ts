import { once } from 'node:events';
import { connect } from 'node:net';
import { request as httpRequest } from 'node:http';
import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { attributeNames as names } from '@agent-lightning/core';
import OpenAI from 'openai';
import { afterEach, describe, expect, it } from 'vitest';
import { Gateway, serve } from '../src/index.ts';
import { FakeEngine } from './fake-engine.ts';
import { clientFor, onStop, startHarness, stopAll, type Harness } from './harness.ts';

afterEach(stopAll);
const body = { model: 'policy', messages: [{ role: 'user' as const, content: 'hi' }] };

async function start(options: Parameters<typeof startHarness>[0] = {}): Promise<Harness> {
  const harness = await startHarness(options);
  harness.gateway.publish('policy', { kind: 'engine', version: 1, engine: new FakeEngine() });
  return harness;
}

async function errorOf(
  response: Response,
): Promise<{ status: number; code: string; param: string | null; message: string }> {
  const { error } = (await response.json()) as { error: { code: string; param: string | null; message: string } };
  return { status: response.status, ...error };
}

/** What the server answers to bytes that no HTTP client would send. */
async function raw(url: string, bytes: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk.toString();
  });
  socket.on('error', () => undefined);
  socket.write(bytes);
  await once(socket, 'close');
  return answer;
}

describe('keys', () => {
  it('are 256 bits, one per attempt, and not kept', async () => {
    const { endpoint, open, gateway } = await start();
    const other = await open();
    expect(Buffer.from(endpoint.apiKey.replace('agl-', ''), 'base64url')).toHaveLength(32);
    expect(other.endpoint.apiKey).not.toBe(endpoint.apiKey);
    expect((await import('node:util')).inspect(gateway, { depth: 20, showHidden: true })).not.toContain(
      endpoint.apiKey,
    );
  });

  it('open their own attempt only', async () => {
    const { endpoint, open, gateway } = await start();
    const other = await open();
    const crossed = new OpenAI({ baseURL: other.endpoint.baseUrl, apiKey: endpoint.apiKey, maxRetries: 0 });
    await expect(crossed.chat.completions.create(body)).rejects.toMatchObject({ status: 403, code: 'forbidden' });
    const wrong = new OpenAI({ baseURL: endpoint.baseUrl, apiKey: 'agl-wrong', maxRetries: 0 });
    await expect(wrong.chat.completions.create(body)).rejects.toMatchObject({ status: 401, code: 'invalid_api_key' });
    expect(gateway.statistics.rejected).toEqual({ forbidden: 1, invalid_api_key: 1 });
    expect((await fetch(`${endpoint.baseUrl}/models`)).status).toBe(401);
    expect((await fetch(`${endpoint.baseUrl}/models`, { headers: { 'x-api-key': endpoint.apiKey } })).status).toBe(200);
  });

  it('die with their attempt', async () => {
    const { client, finish } = await start();
    await client.chat.completions.create(body);
    await finish();
    await expect(client.chat.completions.create(body)).rejects.toMatchObject({
      status: 403,
      message: expect.stringContaining('has ended'),
    });
  });

  it('open nothing but model calls', async () => {
    const { gateway, endpoint } = await start({ adminKey: 'a'.repeat(32) });
    expect(
      (await fetch(`${gateway.url}/metrics`, { headers: { authorization: `Bearer ${endpoint.apiKey}` } })).status,
    ).toBe(401);
    const metrics = await fetch(`${gateway.url}/metrics`, { headers: { authorization: `Bearer ${'a'.repeat(32)}` } });
    expect(await metrics.text()).toContain('agentlightning_gateway_open_attempts 1');
    expect(
      (
        await fetch(`${endpoint.baseUrl}/rewards`, {
          method: 'POST',
          headers: { authorization: `Bearer ${endpoint.apiKey}` },
        })
      ).status,
    ).toBe(404);
  });

  it('never enter a span', async () => {
    const { post, endpoint, finish } = await start();
    await post(body, { headers: { cookie: 'canary-cookie', 'x-custom': 'canary-header' } });
    const text = JSON.stringify(await finish());
    for (const secret of [endpoint.apiKey, 'canary-cookie', 'canary-header']) expect(text).not.toContain(secret);
  });
});

describe('the address', () => {
  it('is the loopback’s unless an admin key is given', async () => {
    const { gateway, store } = await start();
    expect(gateway.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/u);
    await expect(Gateway.start({ store, host: '0.0.0.0' })).rejects.toMatchObject({
      code: 'option-invalid',
      message: expect.stringContaining('adminKey'),
    });
    await expect(Gateway.start({ store, host: '0.0.0.0', adminKey: 'short' })).rejects.toMatchObject({
      code: 'option-invalid',
    });
    const open = await Gateway.start({
      store,
      host: '0.0.0.0',
      adminKey: 'a'.repeat(32),
      publicUrl: 'http://gateway.internal:80',
    });
    onStop(() => open.close());
    expect(open.url).toBe('http://gateway.internal');
  });

  it('names the port that is taken and what to do', async () => {
    const { gateway, store } = await start();
    const port = Number(new URL(gateway.url).port);
    await expect(Gateway.start({ store, port })).rejects.toMatchObject({
      name: 'ConfigurationError',
      code: 'port-unavailable',
      message: expect.stringContaining(`port ${port}`),
    });
  });

  it('refuses a Host that is not its own, before anything else', async () => {
    const { gateway, endpoint } = await start({ allowedHosts: ['gateway.test'] });
    const { port } = new URL(gateway.url);
    const status = (host: string): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        httpRequest(`${gateway.url}/health`, { headers: { host } }, (response) => {
          response.resume();
          resolve(response.statusCode);
        })
          .on('error', reject)
          .end();
      });
    expect(
      await Promise.all(
        [`127.0.0.1:${port}`, `localhost:${port}`, 'gateway.test', 'evil.test', `127.0.0.1.evil.test:${port}`].map(
          status,
        ),
      ),
    ).toEqual([200, 200, 200, 403, 403]);
    expect(endpoint.baseUrl).toContain('127.0.0.1');
  });

  it('decides on the request line alone', async () => {
    const { gateway } = await start();
    const { host } = new URL(gateway.url);
    expect(
      await raw(gateway.url, `GET http://evil.test/health HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`),
    ).toMatch(/^HTTP\/1\.1 400/u);
    expect(
      await raw(
        gateway.url,
        `GET /rollout/../../health HTTP/1.1\r\nhost: ${host}\r\nx-forwarded-host: ${host}\r\nconnection: close\r\n\r\n`,
      ),
    ).toMatch(/^HTTP\/1\.1 404/u);
    expect(
      await raw(
        gateway.url,
        `GET /rollout/a%00/attempt/%2e%2e/v1/models HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`,
      ),
    ).toMatch(/^HTTP\/1\.1 401/u);
    expect(await raw(gateway.url, 'BREW /pot\r\n\r\n')).toMatch(/^HTTP\/1\.1 400/u);
  });

  it('answers a wrong method with the right one', async () => {
    const { endpoint, gateway } = await start();
    const response = await fetch(`${endpoint.baseUrl}/chat/completions`, {
      headers: { authorization: `Bearer ${endpoint.apiKey}` },
    });
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST']);
    expect(await (await fetch(`${gateway.url}/health`)).json()).toEqual({ status: 'ok', paused: false, inFlight: 0 });
  });
});

describe('bodies', () => {
  const limit = 10_000;

  it('are bounded by their announced length, by what is read, and by what they unpack to', async () => {
    const { post, endpoint, gateway } = await start({ maxBodyBytes: limit });
    const big = JSON.stringify({ ...body, user: 'x'.repeat(limit) });
    expect(await errorOf(await post(big))).toMatchObject({ status: 413, code: 'request-too-large' });
    const { host, pathname } = new URL(`${endpoint.baseUrl}/chat/completions`);
    const chunk = `${(4_096).toString(16)}\r\n${'y'.repeat(4_096)}\r\n`;
    const head = `POST ${pathname} HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${endpoint.apiKey}\r\ncontent-type: application/json\r\n`;
    // The last chunk never comes: the answer must not wait for it.
    expect(await raw(gateway.url, `${head}transfer-encoding: chunked\r\n\r\n${chunk.repeat(3)}`)).toMatch(
      /^HTTP\/1\.1 413/u,
    );
    expect(await raw(gateway.url, `${head}transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n`)).toMatch(
      /^HTTP\/1\.1 400/u,
    );
    const bomb = JSON.stringify({ ...body, user: 'x'.repeat(1_000_000) });
    for (const [encoding, packed] of [
      ['gzip', gzipSync(bomb)],
      ['br', brotliCompressSync(bomb)],
      ['zstd', zstdCompressSync(bomb)],
    ] as const) {
      expect(packed.length).toBeLessThan(limit);
      expect((await post(undefined, { body: packed, headers: { 'content-encoding': encoding } })).status).toBe(413);
    }
  });

  it('may be packed, in the encodings that are known', async () => {
    const { post } = await start();
    expect(
      (await post(undefined, { body: gzipSync(JSON.stringify(body)), headers: { 'content-encoding': 'gzip' } })).status,
    ).toBe(200);
    expect((await post(undefined, { body: 'not gzip', headers: { 'content-encoding': 'gzip' } })).status).toBe(400);
    expect((await post(body, { headers: { 'content-encoding': 'compress' } })).status).toBe(415);
  });

  it('must be JSON by name and by nature', async () => {
    const { post } = await start();
    expect((await post(body, { headers: { 'content-type': 'text/plain' } })).status).toBe(415);
    for (const text of ['', '{', '[1]', 'null', '"x"', '{"model":"policy","messages":'])
      expect((await post(text)).status).toBe(400);
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['no model', { model: undefined }, 'model'],
    ['no messages', { messages: [] }, 'messages'],
    ['a message that is none', { messages: ['hi'] }, 'messages[0]'],
    ['a message without a role', { messages: [{ content: 'hi' }] }, 'messages[0].role'],
    [
      'an image',
      { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'x' } }] }] },
      'messages[0].content[0]',
    ],
    ['a negative temperature', { temperature: -1 }, 'temperature'],
    ['an infinite one', { temperature: Number.POSITIVE_INFINITY }, 'temperature'],
    ['half a choice', { n: 1.5 }, 'n'],
    ['no tokens', { max_tokens: 0 }, 'max_tokens'],
    ['an empty stop', { stop: [''] }, 'stop'],
    ['a text for a truth', { stream: 'yes' }, 'stream'],
    ['a schema', { response_format: { type: 'json_schema', json_schema: {} } }, 'response_format'],
    ['functions', { functions: [{ name: 'f' }] }, 'functions'],
    ['alternatives', { logprobs: true, top_logprobs: 5 }, 'top_logprobs'],
    ['an unknown field', { reasoning_depth: 'deep' }, 'reasoning_depth'],
  ])('are refused with the field’s name: %s', async (_name, fields, param) => {
    const { post } = await start();
    const text = JSON.stringify({ ...body, ...fields }).replace('"temperature":null', '"temperature":1e999');
    expect(await errorOf(await post(text))).toMatchObject({ status: 400, param });
  });

  it('may carry fields that change nothing, nulls and text parts', async () => {
    const { post, finish } = await start();
    const response = await post({
      ...body,
      messages: [
        {
          role: 'developer',
          content: [
            { type: 'text', text: 'be ' },
            { type: 'text', text: 'brief' },
          ],
        },
        ...body.messages,
      ],
      user: 'u',
      metadata: { a: 'b' },
      store: false,
      service_tier: 'auto',
      stream_options: null,
      stop: null,
      tools: null,
      response_format: { type: 'text' },
      parallel_tool_calls: true,
    });
    expect(response.status).toBe(200);
    expect((await finish())[0]?.attributes).not.toHaveProperty(names.untrainable);
  });

  it('do no harm whatever they hold', async () => {
    const { post } = await start();
    const deep = `{"model":"policy","messages":[{"role":"user","content":${'['.repeat(20_000)}${']'.repeat(20_000)}}]}`;
    expect((await post(deep)).status).toBe(400);
    await post(
      '{"model":"policy","__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"messages":[{"role":"user","content":"x","__proto__":{"polluted":1}}]}',
    );
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it('are served when they name a caller that no adapter would, or one with names that are long or many', async () => {
    const { post } = await start();
    const long = [Array(9).fill('an agent with a rather long name').join('/'), 'n'.repeat(3_000)];
    const lists = [[1], {}, 7, null, [''], long, Array(40).fill('agent')].map((names) => JSON.stringify(names));
    for (const value of ['%', 'x', ...lists.map(encodeURIComponent)])
      expect((await post(body, { headers: { 'x-lightning-agent': value } })).status).toBe(200);
  });

  it('cannot reach a model that is not published', async () => {
    const { post } = await start();
    expect(await errorOf(await post({ ...body, model: 'http://169.254.169.254/' }))).toMatchObject({
      status: 404,
      code: 'model_not_found',
      param: 'model',
      message: expect.stringContaining('"policy"'),
    });
  });
});

describe('sampling rules', () => {
  it('hold the policy’s own distribution in train mode and record what they changed', async () => {
    const engine = new FakeEngine();
    const { gateway, client, finish } = await startHarness({
      sampling: { train: { temperature: 1, maxTokens: 64, maxTokensLimit: 100 } },
    });
    gateway.publish('policy', { kind: 'engine', version: 1, engine });
    await client.chat.completions.create({
      ...body,
      temperature: 0.2,
      top_p: 0.9,
      frequency_penalty: 0.5,
      logit_bias: { 5: 10 },
      max_tokens: 500,
    });
    await client.chat.completions.create({ ...body, top_p: 1, presence_penalty: 0 });
    expect(engine.requests).toMatchObject([
      { temperature: 1, maxTokens: 100 },
      { temperature: 1, maxTokens: 64 },
    ]);
    const [first, second] = await finish();
    expect(first?.attributes[names.samplingRules]).toEqual([
      'top_p:dropped',
      'frequency_penalty:dropped',
      'logit_bias:dropped',
      'temperature:0.2→1',
      'max_tokens:500→100',
    ]);
    expect(second?.attributes).not.toHaveProperty(names.samplingRules);
  });

  it('are greedy in validation, unless the agent’s own are wanted', async () => {
    const engine = new FakeEngine();
    for (const sampling of [{}, { val: { temperature: 'agent' } as const }, { val: { temperature: 0.5 } }]) {
      const { gateway, endpoint } = await startHarness({ mode: 'val', sampling });
      gateway.publish('policy', { kind: 'engine', version: 1, engine });
      await clientFor(endpoint).chat.completions.create({ ...body, temperature: 0.7 });
    }
    expect(engine.requests.map((request) => request.temperature)).toEqual([0, 0.7, 0.5]);
  });

  it('cannot be set to what training must not see', async () => {
    const { store } = await start();
    await expect(Gateway.start({ store, sampling: { train: { temperature: 'agent' } } })).rejects.toMatchObject({
      code: 'option-invalid',
    });
    await expect(Gateway.start({ store, sampling: { val: { temperature: Number.NaN } } })).rejects.toMatchObject({
      code: 'option-invalid',
    });
    await expect(Gateway.start({ store, sampling: { val: { maxTokens: 0 } } })).rejects.toMatchObject({
      code: 'option-invalid',
    });
  });
});

describe('serve', () => {
  it('serves a snapshot to any client, with the client’s own sampling', async () => {
    const engine = new FakeEngine();
    const endpoint = await serve({ snapshot: { kind: 'engine', version: 0, engine }, model: 'base' });
    onStop(() => endpoint.close());
    const client = new OpenAI({ baseURL: endpoint.baseUrl, apiKey: endpoint.apiKey, maxRetries: 0 });
    const reply = await client.chat.completions.create({
      model: 'base',
      messages: body.messages,
      temperature: 0.3,
      seed: 9,
    });
    expect(reply.choices[0]?.message.content).toBe('hello world');
    expect(engine.requests[0]).toMatchObject({ temperature: 0.3, seed: 9 });
    expect((await client.models.list()).data.map((model) => model.id)).toEqual(['base']);
    expect((await client.responses.create({ model: 'base', input: 'hi' })).output_text).toBe('hello world');
    expect((await client.completions.create({ model: 'base', prompt: 'hi' })).choices[0]?.text).toBe('hello world');
    await expect(
      client.chat.completions.create({ model: 'base', messages: body.messages, top_p: 0.5 }),
    ).rejects.toMatchObject({ status: 400, param: 'top_p' });
    await expect(
      new OpenAI({ baseURL: endpoint.baseUrl, apiKey: 'agl-guess-guess-guess', maxRetries: 0 }).models.list(),
    ).rejects.toMatchObject({ status: 401 });
  });
});
