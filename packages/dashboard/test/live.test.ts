import { mkdir, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { RunDirectory } from '@agent-lightning/run';
import { MemoryStore } from '@agent-lightning/store';
import { afterEach, expect, it, vi } from 'vitest';
import type { RunList, RunSummary } from '../src/api.ts';
import { startDashboard } from '../src/index.ts';
import { parseMetrics, readGateway } from '../src/live/read-gateway.ts';
import { readLive } from '../src/live/read-live.ts';
import type { LiveState } from '../src/live/shapes.ts';
import { config, createFolder } from './make-run.ts';

const patient = new AbortController().signal;
const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0))
    await new Promise((done) => {
      server.close(done);
      server.closeAllConnections();
    });
});

/** Serves texts by their paths; any other path is refused as by a gateway with a key. */
async function serve(texts: Readonly<Record<string, string>>): Promise<string> {
  const server = createServer((request, response) => {
    const text = texts[request.url ?? ''];
    response.writeHead(text === undefined ? 401 : 200, { connection: 'close' }).end(text);
  });
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

// Lines as the gateway writes them.
const metrics = `# HELP agentlightning_gateway_calls_total Model calls by how they ended.
# TYPE agentlightning_gateway_calls_total counter
agentlightning_gateway_calls_total{status="ok"} 41
agentlightning_gateway_calls_total{status="failed"} 2
agentlightning_gateway_errors_total{code="rate_limit"} 2
agentlightning_gateway_calls_in_flight 3
agentlightning_gateway_absent_servers 1
something odd
`;

it('tells the queue, the runners and the leases of a store', async () => {
  const store = new MemoryStore({ watchdogIntervalMs: 0 });
  await store.enqueue([
    ...['a', 'b', 'c'].map((rolloutId) => ({ rolloutId, input: { question: `task ${rolloutId}` }, runId: 'run' })),
    { rolloutId: 'd', input: 1, workerTags: ['gpu'] },
  ]);
  const [claim] = await store.claim({ workerId: 'w1', leaseMs: 30_000 });
  await store.heartbeat(claim!.lease);
  const soon = Date.now() + 5_000;
  const live = await readLive({ store }, { isReached: false, reason: 'none' }, soon);
  expect(live).toMatchObject({
    running: 1,
    queue: {
      waiting: 3,
      delayed: 0,
      kinds: [
        { name: 'queue default · run run', count: 2 },
        { name: 'queue default · needs gpu', count: 1 },
      ],
    },
    workers: [{ id: 'w1', active: 1 }],
    leases: [{ rolloutId: 'a', task: 'task a', attempt: 1, worker: 'w1' }],
  });
  expect(live.queue.oldestMs).toBeGreaterThanOrEqual(4_000);
  expect(live.leases[0]!.leaseMs).toBeLessThanOrEqual(26_000);
  const dashboard = await startDashboard({ source: { store, title: 'memory' } });
  const shown = (await (await fetch(`${dashboard.url}/api/runs/store/live`)).json()) as LiveState;
  expect(shown).toMatchObject({
    running: 1,
    gateway: { isReached: false, reason: expect.stringContaining('store alone') },
  });
  await dashboard.close();
  await store.close();
});

it('counts all rollouts of a store, and reads no more than it lists', async () => {
  const store = new MemoryStore({ watchdogIntervalMs: 0 });
  await store.enqueue(Array.from({ length: 320 }, (_, k) => ({ rolloutId: `r${k}`, input: k, runId: 'run' })));
  await store.claim({ workerId: 'w', limit: 110 });
  const queries = vi.spyOn(store, 'queryRollouts');
  const live = await readLive({ store }, { isReached: false, reason: 'none' }, Date.now());
  expect([live.running, live.queue.waiting, live.leases.length]).toEqual([110, 210, 100]);
  expect([live.hasMoreRunning, live.queue.hasMoreWaiting]).toEqual([undefined, undefined]);
  expect(queries.mock.calls.map(([query]) => query!.limit)).toEqual([100, 100]);
  await store.close();
});

it('tells of a run nothing of another one in the same store', async () => {
  const store = new MemoryStore({ watchdogIntervalMs: 0 });
  for (const runId of ['other', 'run'])
    await store.enqueue(['a', 'b', 'c'].map((name) => ({ rolloutId: `${runId}.${name}`, input: name, runId })));
  for (const workerId of ['w1', 'w2', 'w3', 'w4']) await store.claim({ workerId }); // three of the other run, and one
  const gateway = { isReached: false, reason: 'none' } as const;
  const live = await readLive({ store, runId: 'run' }, gateway, Date.now());
  expect(live.leases.map(({ rolloutId }) => rolloutId)).toEqual(['run.a']);
  expect(live).toMatchObject({
    running: 1,
    queue: { waiting: 2, storeStatuses: { queuing: 2 }, kinds: [{ name: 'queue default · run run', count: 2 }] },
  });
  expect(live.workers).toHaveLength(4);

  const folder = await createFolder();
  await mkdir(join(folder, 'a'));
  const record = { format: 1, runId: 'run', startedAt: '2026-11-29T10:00:00.000Z', config };
  await writeFile(join(folder, 'a', 'run.json'), JSON.stringify(record));
  const dashboard = await startDashboard({ source: folder, store });
  const shown = (await (await fetch(`${dashboard.url}/api/runs/a/live`)).json()) as LiveState;
  expect(shown).toMatchObject({ running: 1, leases: [{ rolloutId: 'run.a' }], queue: { waiting: 2 } });
  await dashboard.close();
  await store.close();
});

it('tells what a gateway on this machine counts', async () => {
  expect(parseMetrics(metrics).get('agentlightning_gateway_calls_total')).toEqual({ ok: 41, failed: 2 });
  const url = await serve({
    '/metrics': metrics,
    '/health': JSON.stringify({ status: 'ok', paused: true, inFlight: 3 }),
  });
  expect(await readGateway(`${url}/`, patient)).toMatchObject({
    isReached: true,
    url,
    isPaused: true,
    inFlight: 3,
    absentServers: 1,
    calls: { ok: 41, failed: 2 },
    errors: { rate_limit: 2 },
    retries: 0,
  });
});

it('says why a gateway tells nothing, and asks none on another machine', async () => {
  const asked = vi.spyOn(globalThis, 'fetch');
  const reasonOf = async (url: unknown): Promise<string> => {
    const found = await readGateway(url, patient);
    return found.isReached ? 'reached' : found.reason;
  };
  for (const url of [
    'http://gateway.example:80',
    'https://127.0.0.1',
    'file:///etc/passwd',
    'http://127.0.0.1.example',
  ])
    expect(await reasonOf(url)).toContain('on another machine');
  expect(await reasonOf(undefined)).toContain('no gateway');
  expect(asked).not.toHaveBeenCalled();
  asked.mockRestore();
  expect(await reasonOf(await serve({}))).toContain('asks for its admin key');
  const gone = await serve({});
  await new Promise((done) => servers.pop()!.close(done));
  expect(await reasonOf(gone)).toMatch(/does not answer: .*ECONNREFUSED/);
});

/** Starts a gateway that answers `/metrics` when it is let, and hangs on everything else; `asked` ends when it was asked for that. */
async function serveSlowly(): Promise<{
  readonly url: string;
  readonly answer: () => void;
  readonly asked: Promise<void>;
}> {
  const [may, hangs] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const server = createServer((request, response) => {
    if (request.url !== '/metrics') hangs.resolve();
    else void may.promise.then(() => response.writeHead(200, { connection: 'close' }).end(metrics));
  });
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, answer: may.resolve, asked: hangs.promise };
}

it('gives a gateway one stretch of time for all of its replies', async () => {
  const { url, answer, asked } = await serveSlowly();
  answer();
  const patience = new AbortController();
  const found = readGateway(url, patience.signal);
  await asked;
  patience.abort(new Error('it took too long'));
  expect(await found).toEqual({ isReached: false, reason: `The gateway at ${url} does not answer: it took too long.` });
});

it('reads the store while a gateway hangs, and then says that it does not answer', async () => {
  const run = await RunDirectory.open(await createFolder(), {
    config,
    resume: true,
    keepCheckpoints: 1,
    runId: 'run',
    now: new Date(),
  });
  const { url, answer, asked } = await serveSlowly();
  await run.writeFile(JSON.stringify({ gatewayUrl: url }), 'live.json');
  const store = new MemoryStore({ watchdogIntervalMs: 0 });
  const { queryWorkers } = store;
  // The gateway answers only once the store is read: it would never be asked for more if the store waited for it.
  store.queryWorkers = async () => {
    answer();
    return await queryWorkers.call(store);
  };
  const dashboard = await startDashboard({ source: run.path, store });
  const [{ id }] = ((await (await fetch(`${dashboard.url}/api/runs`)).json()) as RunList).runs as [RunSummary];
  const [reply] = await Promise.all([fetch(`${dashboard.url}/api/runs/${encodeURIComponent(id)}/live`), asked]);
  const { gateway } = (await reply.json()) as LiveState;
  expect(gateway).toMatchObject({ isReached: false, reason: expect.stringContaining('does not answer') });
  await dashboard.close();
  await store.close();
  run.close();
});
