import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Gateway } from '@agent-lightning/gateway';
import { connectStore } from '@agent-lightning/store';
import { openSqliteStore, type SqliteStore } from '@agent-lightning/store-sqlite';
import { startModelServer } from '@agent-lightning/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { serveStore, type ServeRequest, type Serving } from '../src/served/serve-store.ts';
import { runInProcess } from './run-in-process.ts';

let folder: string;
let store: SqliteStore;
const closing: (() => Promise<void>)[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'served-'));
  store = await openSqliteStore({ path: join(folder, 'store.sqlite'), watchdogIntervalMs: 0, thread: false });
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  await store.close();
  rmSync(folder, { recursive: true });
});

async function serve(options: Partial<ServeRequest> = {}): Promise<Serving> {
  const serving = await serveStore({
    store,
    directory: folder,
    environment: {},
    port: 0,
    allowedHosts: [],
    open: false,
    agentRewards: false,
    watchdogDelayMs: 30_000,
    log: () => undefined,
    ...options,
  });
  closing.push(() => serving.stop(1_000));
  return serving;
}

const agent = `
export default async (task, { llm, signal }) => {
  const reply = await fetch(llm.baseUrl + '/chat/completions', {
    method: 'POST',
    headers: { authorization: 'Bearer ' + llm.apiKey, 'content-type': 'application/json' },
    body: JSON.stringify({ model: llm.model, messages: [{ role: 'user', content: task.question }] }),
    signal,
  });
  const { choices } = await reply.json();
  return choices[0].message.content === 'yes' ? 1 : 0;
};
`;

it('runs an agent for a server, whose gateway answers and captures its calls', async () => {
  const model = await startModelServer({ respond: () => 'yes' });
  closing.push(() => model.close());
  const policies = { policy: { upstream: 'a', model: 'm', version: 1 } };
  writeFileSync(
    join(folder, 'gateway.json'),
    JSON.stringify({ upstreams: { a: { baseUrl: model.baseUrl } }, policies }),
  );
  writeFileSync(join(folder, 'agent.mjs'), agent);
  const { server, newKey } = await serve({ gateway: 'gateway.json', keys: 'keys.json' });
  const added = await runInProcess(['keys', 'add', '--file', 'keys.json', '--role', 'runner', '--json'], {
    directory: folder,
  });
  const { key } = added.json() as { key: string };
  const trainer = connectStore({ url: server.url, key: newKey! });
  closing.push(() => trainer.close());
  await trainer.enqueue([
    { rolloutId: 'a', input: { question: 'really?' } },
    { rolloutId: 'b', input: { question: 'sure?' } },
  ]);
  const stop = new AbortController();
  const working = runInProcess(['runner', 'agent.mjs', '--server', server.url, '--gateway', 'server', '--json'], {
    directory: folder,
    environment: { AGENT_LIGHTNING_KEY: key },
    signal: stop.signal,
  });
  const done = await Promise.race([trainer.waitFor(['a', 'b']), working]);
  expect(done).toMatchObject([{ status: 'succeeded' }, { status: 'succeeded' }]);
  stop.abort();
  expect((await working).json()).toMatchObject({ succeeded: 2, failed: 0 });
  const spans = await trainer.querySpans({ rolloutIds: ['a'] });
  expect(spans.map(({ kind }) => kind).sort()).toEqual(['model_call', 'reward']);
  expect(readFileSync(join(folder, 'keys.json'), 'utf8')).not.toContain(key);
});

it('refuses what the server has for its gateway, and a gateway without a key', async () => {
  writeFileSync(join(folder, 'gateway.json'), JSON.stringify({ upstreams: {}, host: '0.0.0.0' }));
  await expect(serve({ gateway: 'gateway.json' })).rejects.toMatchObject({
    code: 'option-invalid',
    message: expect.stringContaining('Gateway.mount: host'),
  });
  writeFileSync(join(folder, 'agent.mjs'), agent);
  const args = ['runner', 'agent.mjs', '--server', 'http://127.0.0.1:9', '--gateway', 'server'];
  expect(await runInProcess(args, { directory: folder })).toMatchObject({
    exitCode: 2,
    complaints: expect.stringContaining('AGENT_LIGHTNING_KEY'),
  });
  expect(
    await runInProcess(['runner', 'absent.mjs', '--server', 'http://127.0.0.1:9'], { directory: folder }),
  ).toMatchObject({
    exitCode: 2,
    complaints: expect.stringContaining('absent.mjs'),
  });
});

it('says which key file cannot be written', async () => {
  const args = ['keys', 'add', '--file', 'absent/keys.json', '--role', 'runner'];
  expect(await runInProcess(args, { directory: folder })).toMatchObject({
    exitCode: 1,
    complaints: expect.stringMatching(/^the key file \S+absent\S+keys\.json cannot be written: [^\n]+\n$/),
  });
});

it('says once that a server is away, and waits for it', async () => {
  writeFileSync(join(folder, 'agent.mjs'), agent);
  const stop = new AbortController();
  let asked = 0;
  const away = createServer((_request, response) => {
    response.writeHead(503).end();
    if (++asked === 4) stop.abort();
  });
  await new Promise<void>((resolve) => away.listen(0, '127.0.0.1', resolve));
  closing.push(async () => void away.close());
  const url = `http://127.0.0.1:${(away.address() as AddressInfo).port}`;
  const args = ['runner', 'agent.mjs', '--server', url];
  const { complaints } = await runInProcess(args, { directory: folder, signal: stop.signal });
  expect(complaints.match(/; the runner waits and tries again/g)).toHaveLength(1);
});

it('ends before it claims anything where the gateway would open no attempt', async () => {
  const { server } = await serve({ open: true });
  const store = connectStore({ url: server.url });
  closing.push(() => store.close());
  await store.enqueue([{ rolloutId: 'a', input: 1 }]);
  const gateway = await Gateway.start({ store, adminKey: 'k'.repeat(32) });
  closing.push(() => gateway.close());
  writeFileSync(join(folder, 'agent.mjs'), agent);
  for (const [url, problem] of [
    [gateway.url, 'would not let this process open attempts: the admin key is missing or wrong'],
    [server.url, 'nothing is served at GET /admin/attempts'],
  ] as const) {
    const environment = { AGENT_LIGHTNING_GATEWAY_KEY: 'x'.repeat(32) };
    const args = ['runner', 'agent.mjs', '--server', server.url, '--gateway', url];
    expect(await runInProcess(args, { directory: folder, environment })).toMatchObject({
      exitCode: 1,
      complaints: expect.stringContaining(problem),
    });
  }
  expect(await store.getRollout('a')).toMatchObject({ status: 'queuing', attemptCount: 0 });
});

it('delivers what an earlier runner left, also when the command is refused', async () => {
  const { server } = await serve({ open: true });
  writeFileSync(join(folder, 'agent.mjs'), agent);
  mkdirSync(join(folder, 'outbox'));
  const left = { operation: 'putResources', id: 'a', arguments: { resourcesId: 'left', resources: {} } };
  writeFileSync(join(folder, 'outbox', '1-1-999999999.call.json'), JSON.stringify(left));
  const args = ['--server', server.url, '--outbox', 'outbox', '--gateway', server.url];
  expect((await runInProcess(['runner', 'agent.mjs', ...args], { directory: folder })).exitCode).toBe(2);
  expect(readdirSync(join(folder, 'outbox'))).toEqual([]);
  expect(await store.getResources('left')).toMatchObject({ version: 1 });
});

it('leaves no key that nobody saw when it cannot start', async () => {
  const { server } = await serve();
  const port = Number(new URL(server.url).port);
  await expect(serve({ port, keys: 'keys.json' })).rejects.toMatchObject({ code: 'port-unavailable' });
  const { server: second, newKey } = await serve({ keys: 'keys.json' });
  const ask = { headers: { authorization: `Bearer ${newKey}` } };
  expect((await fetch(`${second.url}/v1/keys`, ask)).status).toBe(200);
});

it('serves until it is interrupted, and shows a key once where it has none', async () => {
  const args = ['serve', 'new.sqlite', '--port', '0', '--json'];
  const end = await runInProcess(args, { directory: folder, signal: AbortSignal.abort('SIGTERM') });
  expect(end.exitCode, end.complaints).toBe(0);
  expect(end.complaints).toMatch(/shown only now: agl-admin-[\w-]{43}\n$/);
  const events = end.output
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { event?: string }).event);
  expect(events).toEqual(['listening', 'draining', 'closed', undefined]);
  expect(end.output).not.toContain('agl-admin-');
  const open = await runInProcess([...args, '--host', '0.0.0.0'], { directory: folder, signal: AbortSignal.abort() });
  expect(open.exitCode).toBe(1);
  expect(open.json()).toMatchObject({
    error: { code: 'option-invalid', message: expect.stringContaining('give keys') },
  });
});

it('lists, adds and revokes keys in a file', async () => {
  const keys = (...args: string[]) => runInProcess(['keys', ...args, '--file', 'keys.json'], { directory: folder });
  expect((await keys('list')).output).toBe('no keys\n');
  expect((await keys('add', '--role', 'agent')).exitCode).toBe(2);
  expect((await keys('add', '--role', 'reader', '--expires', 'soon')).exitCode).toBe(2);
  const { id } = (await keys('add', '--role', 'reader', '--label', 'Ann', '--expires', '30d', '--json')).json() as {
    id: string;
  };
  expect((await keys('list')).output).toMatch(new RegExp(`^${id}  reader  until \\S+  Ann\\n$`));
  expect((await keys('revoke', id)).output).toBe(`revoked ${id}\n`);
  expect(await keys('revoke', id)).toMatchObject({
    exitCode: 1,
    complaints: expect.stringContaining('there is no key'),
  });
});

it('takes the address of a server where a store is named', async () => {
  await store.enqueue([{ rolloutId: 'a', input: 1 }]);
  const { server, newKey } = await serve();
  const url = server.url.replace('http://', `http://:${newKey}@`);
  const query = await runInProcess(['store', 'query', url, '--json']);
  expect(query.json()).toMatchObject({ rollouts: [{ rolloutId: 'a' }] });
  expect((await runInProcess(['store', 'check', url])).output).toMatch(/^sound: 1 rollouts/);
});
