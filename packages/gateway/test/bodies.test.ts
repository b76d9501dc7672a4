import { once } from 'node:events';
import { connect } from 'node:net';
import { brotliCompressSync, constants, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import type { LlmEndpoint } from '@agent-lightning/core';
import { startModelServer } from '@agent-lightning/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { serve } from '../src/index.ts';
import { FakeEngine } from './fake-engine.ts';
import { onStop, startHarness, stopAll, until, type Harness } from './harness.ts';

afterEach(stopAll);
const message = { role: 'user', content: 'hi' };
const body = { model: 'policy', messages: [message] };

async function start(options: Parameters<typeof startHarness>[0] = {}): Promise<Harness> {
  const harness = await startHarness(options);
  harness.gateway.publish('policy', { kind: 'engine', version: 1, engine: new FakeEngine() });
  return harness;
}

/** An engine that answers nothing before it is let. */
function heldEngine(): { readonly engine: FakeEngine; readonly goOn: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { engine: new FakeEngine({ before: () => promise }), goOn: resolve };
}

function ask(
  { baseUrl, apiKey }: LlmEndpoint,
  content: string | NonSharedBuffer,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(`${baseUrl}/chat/completions`, {
    method: 'POST',
    body: content,
    headers: { 'content-type': 'application/json', authorization: `Bearer ${apiKey}`, ...headers },
  });
}

interface FailureBody {
  readonly type?: string;
  readonly error: { readonly type: string; readonly code: string; readonly message: string };
}

async function failureOf(response: Response): Promise<[number, FailureBody]> {
  return [response.status, (await response.json()) as FailureBody];
}

/** A chat with as many empty lists as fill so many bytes. */
function lists(bytes: number): Buffer {
  const [before, after] = JSON.stringify({ ...body, junk: ['#'] }).split('"#"');
  return Buffer.from(`${before}${'[],'.repeat(bytes / 3)}[]${after}`);
}

const encodings: readonly (readonly [string, (bytes: Buffer) => NonSharedBuffer])[] = [
  ['gzip', (bytes) => gzipSync(bytes)],
  ['deflate', (bytes) => deflateSync(bytes)],
  ['br', (bytes) => brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } })],
  ['zstd', (bytes) => zstdCompressSync(bytes)],
];

describe('a small body that unpacks to millions of lists', () => {
  it.each(encodings)('is refused for its ratio, or its count: %s', async (encoding, pack) => {
    const { gateway, endpoint, client } = await start();
    const headers = { 'content-encoding': encoding };
    const packed = pack(lists(20_000_000));
    expect(packed.length).toBeLessThan(100_000);
    const [status, { error }] = await failureOf(await ask(endpoint, packed, headers));
    expect([status, error.code]).toEqual([413, 'request-too-large']);
    expect(error.message).toMatch(
      new RegExp(`of ${packed.length} bytes of ${encoding} unpacks to more than \\d+ bytes`, 'u'),
    );
    const few = await failureOf(await ask(endpoint, pack(lists(900_000)), headers));
    expect(few).toMatchObject([
      413,
      { error: { code: 'request-too-large', message: expect.stringContaining('maxBodyValues') } },
    ]);
    expect(
      (await client.chat.completions.create({ model: 'policy', messages: [{ role: 'user', content: 'hi' }] })).choices,
    ).toHaveLength(1);
    expect(gateway.statistics.rejected).toEqual({ 'request-too-large': 2 });
  });

  it('is refused nine times at once, and other attempts are answered', async () => {
    const { endpoint, open, gateway } = await start();
    const other = await open();
    const packed = gzipSync(lists(20_000_000));
    const bombs = Array.from({ length: 9 }, () => ask(endpoint, packed, { 'content-encoding': 'gzip' }));
    const answered = await ask(other.endpoint, JSON.stringify(body));
    expect(answered.status).toBe(200);
    expect((await Promise.all(bombs)).map(({ status }) => status)).toEqual(Array.from({ length: 9 }, () => 413));
    expect(gateway.statistics.calls.ok).toBe(1);
    expect(await metric(gateway.url, 'held_bytes')).toBe(0);
  });

  it('is let through below a megabyte, whatever its ratio', async () => {
    const { post } = await start();
    const text = JSON.stringify({ ...body, user: 'x'.repeat(1_000_000) });
    const packed = gzipSync(text);
    expect(text.length / packed.length).toBeGreaterThan(100);
    expect((await post(undefined, { body: packed, headers: { 'content-encoding': 'gzip' } })).status).toBe(200);
  });
});

describe('the count of values and the depth', () => {
  const paths = ['/chat/completions', '/completions', '/responses', '/messages', '/embeddings'];
  const tooMany = JSON.stringify({ ...body, junk: Array.from({ length: 1_000 }, () => 0) });
  const tooDeep = `{"model":"policy","junk":${'['.repeat(101)}${']'.repeat(101)}}`;

  it.each(paths)('are bounded in every dialect, in the words of its errors: %s', async (path) => {
    const { post } = await start({ maxBodyValues: 1_000 });
    const many = await failureOf(await post(tooMany, { path }));
    expect(many).toMatchObject([
      413,
      {
        error: {
          type: path === '/messages' ? 'request_too_large' : 'invalid_request_error',
          code: 'request-too-large',
          message: expect.stringMatching(/more than 1000 values.*maxBodyValues/u),
        },
      },
    ]);
    if (path === '/messages') expect(many[1].type).toBe('error');
    expect(await failureOf(await post(tooDeep, { path }))).toMatchObject([
      400,
      { error: { code: 'request-invalid', message: expect.stringContaining('more than 100 levels deep') } },
    ]);
  });

  it('are bounded where the operator asks and where a model is served', async () => {
    const adminKey = 'a'.repeat(32);
    const { gateway } = await start({ adminKey, maxBodyValues: 1_000 });
    const asOperator = await fetch(`${gateway.url}/admin/pause`, {
      method: 'POST',
      body: tooMany,
      headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
    });
    expect(asOperator.status).toBe(413);
    const snapshot = { kind: 'engine', version: 1, engine: new FakeEngine() } as const;
    const served = await serve({ snapshot, model: 'policy', maxBodyValues: 1_000 });
    onStop(() => served.close());
    expect((await ask({ ...served, sampling: {} }, tooMany)).status).toBe(413);
    expect((await ask({ ...served, sampling: {} }, JSON.stringify(body))).status).toBe(200);
  });

  it.each([0, -1, 1.5, Number.NaN])('cannot be set to %d', async (value) => {
    for (const option of ['maxBodyValues', 'maxHeldBytes', 'maxAttemptHeldBytes'])
      await expect(startHarness({ [option]: value })).rejects.toMatchObject({
        code: 'option-invalid',
        message: expect.stringContaining(option),
      });
  });
});

describe('a large body that means something', () => {
  const tool = (index: number): object => ({
    type: 'function',
    function: {
      name: `tool_${index}`,
      description: 'Looks something up. '.repeat(10),
      parameters: {
        type: 'object',
        properties: Object.fromEntries(Array.from({ length: 10 }, (_, at) => [`field_${at}`, { type: 'string' }])),
        required: ['field_0'],
      },
    },
  });
  const ids = (count: number): number[] => Array.from({ length: count }, (_, index) => index % 150_000);

  it.each<[string, string, object, string]>([
    [
      'a chat of 1 MB with 128 tools',
      '/chat/completions',
      {
        messages: Array.from({ length: 10_000 }, () => ({
          role: 'user',
          content: 'How many singers are there? '.repeat(2),
        })),
        tools: Array.from({ length: 128 }, (_, index) => tool(index)),
      },
      'messages',
    ],
    ['a prompt of 200,000 ids', '/completions', { prompt: ids(200_000) }, 'prompt'],
    [
      '128 lists of ids for embeddings',
      '/embeddings',
      { input: Array.from({ length: 128 }, () => ids(4_096)) },
      'input',
    ],
    [
      'an image of 5 MB',
      '/chat/completions',
      {
        messages: [
          {
            role: 'user',
            content: [{ type: 'image_url', image_url: { url: `data:image/png;base64,${'iVBORw0K'.repeat(650_000)}` } }],
          },
        ],
      },
      'messages',
    ],
  ])('is passed on whole: %s', async (_name, path, fields, field) => {
    const server = await startModelServer({ respond: () => ({ content: 'ok' }) });
    onStop(() => server.close());
    const { gateway, post } = await startHarness();
    gateway.publish('policy', { kind: 'openai', version: 1, baseUrl: server.baseUrl, model: 'm' });
    await post({ model: 'policy', ...fields }, { path });
    expect(server.calls).toHaveLength(1);
    const asked = server.calls[0]?.body as Record<string, unknown>;
    expect(JSON.stringify(asked[field])).toBe(JSON.stringify((fields as Record<string, unknown>)[field]));
  });
});

async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^agentlightning_gateway_${name} (\\d+)$`, 'mu').exec(text)?.[1]);
}

async function untilMetric(url: string, name: string, value: number): Promise<void> {
  while ((await metric(url, name)) !== value);
}

const large = JSON.stringify({ ...body, user: 'x'.repeat(60_000) });

describe('an attempt whose requests hold their share', () => {
  it('has its next ones wait unread, while other attempts are answered, and loses none', async () => {
    const { engine, goOn } = heldEngine();
    const { gateway, endpoint, open } = await startHarness({ maxAttemptHeldBytes: 100_000 });
    gateway.publish('policy', { kind: 'engine', version: 1, engine });
    const asked = Array.from({ length: 3 }, () => ask(endpoint, large));
    await untilMetric(gateway.url, 'waiting_requests', 2);
    expect(engine.requests).toHaveLength(1);
    const other = await open();
    const answered = ask(other.endpoint, JSON.stringify(body));
    await until(() => engine.requests.length === 2);
    expect(await metric(gateway.url, 'waiting_requests')).toBe(2);
    goOn();
    expect((await answered).status).toBe(200);
    expect((await Promise.all(asked)).map(({ status }) => status)).toEqual([200, 200, 200]);
    await until(() => gateway.statistics.calls.ok === 4);
    await untilMetric(gateway.url, 'held_bytes', 0);
  });

  it('is told to come back when none is over in time, in each dialect’s words', async () => {
    const { engine, goOn } = heldEngine();
    const { gateway, endpoint, post } = await startHarness({ maxAttemptHeldBytes: 100_000, bodyWaitMs: 1 });
    gateway.publish('policy', { kind: 'engine', version: 1, engine });
    const first = ask(endpoint, large);
    await until(() => engine.requests.length === 1);
    const refused = await ask(endpoint, large);
    expect(refused.headers.get('retry-after')).toBe('5');
    expect(await failureOf(refused)).toMatchObject([
      429,
      {
        error: {
          type: 'rate_limit_error',
          code: 'attempt-busy',
          message: expect.stringContaining('maxAttemptHeldBytes'),
        },
      },
    ]);
    expect(await failureOf(await post(large, { path: '/messages' }))).toMatchObject([
      429,
      { type: 'error', error: { type: 'rate_limit_error', code: 'attempt-busy' } },
    ]);
    goOn();
    expect((await first).status).toBe(200);
    await untilMetric(gateway.url, 'held_bytes', 0);
    expect((await ask(endpoint, large)).status).toBe(200);
  });
});

describe('a gateway whose requests hold all that they may', () => {
  it('answers 503 to other attempts when none is over in time', async () => {
    const { engine, goOn } = heldEngine();
    const { gateway, endpoint, open } = await startHarness({ maxHeldBytes: 100_000, bodyWaitMs: 1 });
    gateway.publish('policy', { kind: 'engine', version: 1, engine });
    const other = await open();
    const first = ask(endpoint, large);
    await until(() => engine.requests.length === 1);
    const refused = await ask(other.endpoint, large);
    expect(refused.headers.get('retry-after')).toBe('5');
    expect(await failureOf(refused)).toMatchObject([
      503,
      { error: { type: 'server_error', code: 'gateway-busy', message: expect.stringContaining('maxHeldBytes') } },
    ]);
    goOn();
    expect((await first).status).toBe(200);
    expect(gateway.statistics.rejected).toEqual({ 'gateway-busy': 1 });
  });

  it('lets those in that came first, and forgets those that went away', async () => {
    const { engine, goOn } = heldEngine();
    const { gateway, endpoint, open } = await startHarness({ maxHeldBytes: 100_000 });
    gateway.publish('policy', { kind: 'engine', version: 1, engine });
    const first = ask(endpoint, large);
    await until(() => engine.requests.length === 1);
    const { host, hostname, port, pathname } = new URL(`${endpoint.baseUrl}/chat/completions`);
    const gone = connect(Number(port), hostname);
    gone.write(
      `POST ${pathname} HTTP/1.1\r\nhost: ${host}\r\nx-api-key: ${endpoint.apiKey}\r\ncontent-length: 60000\r\n\r\n`,
    );
    await untilMetric(gateway.url, 'waiting_requests', 1);
    const other = await open();
    const small = ask(other.endpoint, JSON.stringify(body));
    await untilMetric(gateway.url, 'waiting_requests', 2);
    gone.destroy();
    await once(gone, 'close');
    await until(() => engine.requests.length === 2);
    expect(await metric(gateway.url, 'waiting_requests')).toBe(0);
    goOn();
    expect((await Promise.all([first, small])).map(({ status }) => status)).toEqual([200, 200]);
  });
});
