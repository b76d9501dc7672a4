import { afterEach, expect, it, vi } from 'vitest';
import { StoreError } from '@agent-lightning/core';
import { MemoryStore } from '@agent-lightning/store';
import { KeyRing, startServer, type Server } from '../src/index.ts';

/** The parts of an answer that these tests look at. */
interface Reply {
  readonly rollout_id: string;
  readonly start_time: number;
  readonly status: string;
  readonly total: number;
  readonly items: readonly Reply[];
  readonly attempt: { readonly attempt_id: string; readonly sequence_id: number };
  readonly [place: number]: Reply;
}

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function open(
  store: MemoryStore = new MemoryStore(),
  keys?: KeyRing,
): Promise<{ store: MemoryStore; server: Server }> {
  const server = await startServer({ store, port: 0, ...(keys === undefined ? { open: true } : { keys }) });
  cleanups.push(() => server.close());
  return { store, server };
}

/** Asks as a client of 0.3 does: a key goes into the address as Basic authentication. */
async function ask(
  server: Server,
  path: string,
  body?: unknown,
  key?: string,
): Promise<{ status: number; body: Reply }> {
  const response = await fetch(`${server.url}/v1/agl/${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(key === undefined ? {} : { authorization: `Basic ${Buffer.from(`runner:${key}`).toString('base64')}` }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Reply };
}

const task = { input: { q: 1 }, mode: null, resources_id: null, config: null, metadata: null };
const enqueue = async (server: Server): Promise<string> =>
  (await ask(server, 'queues/rollouts/enqueue', { rollouts: [task] })).body[0]!.rollout_id;
const dequeue = async (server: Server): Promise<Reply> =>
  (await ask(server, 'queues/rollouts/dequeue', { limit: 1, worker_id: 'Worker-0' })).body[0]!;

const spanOf = (rolloutId: string, attemptId: string, id: number): Record<string, unknown> => ({
  rollout_id: rolloutId,
  attempt_id: attemptId,
  sequence_id: id,
  trace_id: '0af7651916cd43dd8448eb211c80319c',
  span_id: id.toString(16).padStart(16, '0'),
  parent_id: null,
  name: 'work',
  status: { status_code: 'OK', description: null },
  attributes: {},
  events: [],
  links: [],
  start_time: null,
  end_time: null,
  context: null,
  parent: null,
  resource: { attributes: {}, schema_url: '' },
});

it('queues a finished rollout of theirs again, and keeps its attempts in one list', async () => {
  const { server, store } = await open();
  const id = await enqueue(server);
  const first = await dequeue(server);
  await ask(server, `rollouts/${id}/attempts/latest`, { status: 'failed' });
  expect((await ask(server, `rollouts/${id}`)).body).toMatchObject({ status: 'failed', attempt: { sequence_id: 1 } });
  expect((await ask(server, `rollouts/${id}`, { status: 'requeuing' })).body).toMatchObject({ status: 'requeuing' });
  const second = await dequeue(server);
  expect(second).toMatchObject({ rollout_id: id, start_time: first.start_time, attempt: { sequence_id: 2 } });
  expect((await ask(server, 'spans', spanOf(id, second.attempt.attempt_id, 1))).status).toBe(201);
  await ask(server, `rollouts/${id}/attempts/latest`, { status: 'succeeded' });
  const { body } = await ask(server, 'rollouts/search', { status_in: ['succeeded', 'failed'] });
  expect(body).toMatchObject({ total: 1, items: [{ rollout_id: id, status: 'succeeded' }] });
  const attempts = (await ask(server, `rollouts/${id}/attempts`)).body.items;
  expect(attempts.map(({ status }) => status)).toEqual(['failed', 'succeeded']);
  expect((await ask(server, 'spans/search', { rollout_id: id, attempt_id: 'latest' })).body.total).toBe(1);
  // What was final stays so in our store.
  expect((await store.getRollout(id))?.status).toBe('failed');
  expect((await store.getRollout(`${id}:again-2`))?.status).toBe('succeeded');
});

it('starts attempts beside each other, of which the newest decides', async () => {
  const { server } = await open();
  const started = (await ask(server, 'rollouts', { ...task, worker_id: null })).body;
  const id = started.rollout_id;
  const beside = (await ask(server, `rollouts/${id}/attempts`, {})).body;
  expect(beside.attempt.sequence_id).toBe(2);
  for (const [place, { attempt }] of [started, beside].entries())
    expect((await ask(server, 'spans', spanOf(id, attempt.attempt_id, place + 1))).status).toBe(201);
  await ask(server, `rollouts/${id}/attempts/${started.attempt.attempt_id}`, { status: 'failed' });
  expect((await ask(server, `rollouts/${id}`)).body.status).toBe('running');
  await ask(server, `rollouts/${id}/attempts/latest`, { status: 'succeeded' });
  expect((await ask(server, 'waits/rollouts', { rollout_ids: [id], timeout: 0 })).body).toMatchObject([
    { status: 'succeeded' },
  ]);
});

it('changes nothing of a rollout that a trainer enqueued but by its attempt', async () => {
  const { server, store } = await open();
  await store.enqueue([{ rolloutId: 'ours', input: 1, metadata: { note: 'x' }, retry: { maxAttempts: 1 } }]);
  expect((await ask(server, 'rollouts/ours', { status: 'requeuing' })).status).toBe(409);
  expect((await ask(server, 'rollouts/ours', { input: 2 })).status).toBe(409);
  expect((await ask(server, 'rollouts/ours/attempts', {})).status).toBe(409);
  const claimed = await dequeue(server);
  expect(claimed).toMatchObject({
    rollout_id: 'ours',
    input: 1,
    metadata: { note: 'x' },
    attempt: { worker_id: 'Worker-0' },
  });
  await ask(server, `rollouts/ours/attempts/${claimed.attempt.attempt_id}`, { status: 'succeeded' });
  expect((await store.getRollout('ours'))?.status).toBe('succeeded');
});

it('lets an attempt go on after the server was started again', async () => {
  const { server, store } = await open();
  const id = await enqueue(server);
  const { attempt } = await dequeue(server);
  await server.close();
  const again = await open(store);
  expect((await ask(again.server, 'spans', spanOf(id, attempt.attempt_id, 1))).status).toBe(201);
  expect((await ask(again.server, 'spans/next', { rollout_id: id, attempt_id: attempt.attempt_id })).body).toEqual({
    sequence_id: 2,
  });
  await ask(again.server, `rollouts/${id}/attempts/${attempt.attempt_id}`, { status: 'succeeded' });
  expect((await store.getRollout(id))?.status).toBe('succeeded');
  expect((await ask(again.server, 'spans', spanOf(id, attempt.attempt_id, 2))).status).toBe(409);
  expect((await ask(again.server, 'spans', spanOf(id, attempt.attempt_id, 1))).body).toBeNull();
});

it('takes the key of a runner from the address, and asks for the right role', async () => {
  const keys = new KeyRing();
  const [runner, reader] = await Promise.all([keys.add({ role: 'runner' }), keys.add({ role: 'reader' })]);
  const { server } = await open(new MemoryStore(), keys);
  expect((await ask(server, 'health')).status).toBe(200);
  expect((await ask(server, 'statistics')).status).toBe(401);
  expect((await ask(server, 'queues/rollouts/dequeue', { limit: 1 }, runner.key)).status).toBe(200);
  expect((await ask(server, 'statistics', undefined, reader.key)).status).toBe(200);
  expect((await ask(server, 'queues/rollouts/dequeue', { limit: 1 }, reader.key)).status).toBe(403);
});

it('lets a runner enqueue, change and publish as little as in our own protocol, and a trainer do what a runner may', async () => {
  const keys = new KeyRing();
  const [runner, trainer] = await Promise.all([keys.add({ role: 'runner' }), keys.add({ role: 'trainer' })]);
  const { server } = await open(new MemoryStore(), keys);
  const task = { input: 1 };
  const template = { resource_type: 'prompt_template', template: 'x', engine: 'f-string' };
  const enqueued = await ask(server, 'queues/rollouts/enqueue', { rollouts: [task] }, trainer.key);
  expect(enqueued.status).toBe(201);
  const [{ rollout_id: id }] = enqueued.body as unknown as [{ rollout_id: string }];
  for (const [path, body] of [
    ['queues/rollouts/enqueue', { rollouts: [task] }],
    ['rollouts', task],
    [`rollouts/${id}`, { status: 'cancelled' }],
    ['resources', { prompt: template }],
    ['resources/prompts', { prompt: template }],
  ] as const)
    expect([path, (await ask(server, path, body, runner.key)).status]).toEqual([path, 403]);
  expect((await ask(server, 'resources/prompts', { prompt: template }, trainer.key)).status).toBe(200);
  expect((await ask(server, 'queues/rollouts/dequeue', { limit: 1 }, trainer.key)).status).toBe(200);
});

it('shows the spans of a rollout, whatever its runner wrote into them', async () => {
  const store = new MemoryStore();
  const { server } = await open(store);
  await store.enqueue([{ rolloutId: 'a', input: 1 }]);
  const [claim] = await store.claim({ workerId: 'w' });
  const span = { traceId: 'a'.repeat(32), kind: 'operation', name: 'x', status: { code: 'ok' } } as const;
  const times = { startTimeMs: 1, endTimeMs: 2 };
  await store.appendSpans(claim!.lease, [
    { ...span, ...times, spanId: '1'.repeat(16), attributes: { 'agentlightning.origin': 'no JSON' } },
    { ...span, ...times, spanId: '2'.repeat(16), attributes: { 'agentlightning.origin': 'null' } },
  ]);
  expect(await ask(server, 'spans?rollout_id=a')).toMatchObject({ status: 200, body: { total: 2 } });
});

it('keeps no large heartbeat of a worker', async () => {
  const { server } = await open(new MemoryStore());
  const beat = (text: string): Record<string, unknown> => ({ heartbeat_stats: { text } });
  expect((await ask(server, 'workers/w', beat('x'.repeat(30_000)))).status).toBe(200);
  expect((await ask(server, 'workers/w', beat('x'.repeat(40_000)))).status).toBe(413);
});

it('reads no other spans of an attempt when one is posted', async () => {
  const { server, store } = await open();
  const id = await enqueue(server);
  const { attempt } = await dequeue(server);
  const query = vi.spyOn(store, 'querySpans');
  for (const place of [1, 2, 3, 4]) await ask(server, 'spans', spanOf(id, attempt.attempt_id, place));
  const repeated = await ask(server, 'spans', spanOf(id, attempt.attempt_id, 2));
  expect(repeated).toEqual({ status: 201, body: null });
  const read = await Promise.all(query.mock.results.map(({ value }) => value as ReturnType<typeof store.querySpans>));
  // Whether it is there, and what was written.
  const ofPosts = query.mock.calls.flatMap(([{ spanIds }], place) =>
    spanIds === undefined ? [] : [read[place]!.length],
  );
  expect(ofPosts).toEqual([0, 1, 0, 1, 0, 1, 0, 1, 1]);
  expect(read.flat().length).toBeLessThanOrEqual(6);
});

it('lists the spans of one attempt by reading those only', async () => {
  const { server, store } = await open();
  const started = (await ask(server, 'rollouts', { ...task, worker_id: null })).body;
  const id = started.rollout_id;
  const beside = (await ask(server, `rollouts/${id}/attempts`, {})).body;
  for (const [place, { attempt }] of [started, beside].entries())
    await ask(server, 'spans', spanOf(id, attempt.attempt_id, place + 1));
  const query = vi.spyOn(store, 'querySpans');
  const listed = await ask(server, 'spans/search', { rollout_id: id, attempt_id: beside.attempt.attempt_id });
  expect(listed.body.total).toBe(1);
  expect((await ask(server, 'spans/search', { rollout_id: id, attempt_id: 'absent' })).body.total).toBe(0);
  expect((await ask(server, 'spans/search', { rollout_id: id })).body.total).toBe(2);
  expect(await query.mock.results[0]!.value).toHaveLength(1);
});

/** Dequeues a rollout's attempt and fails it for good. */
async function failOnce(server: Server, id: string): Promise<void> {
  expect((await dequeue(server)).rollout_id).toBe(id);
  expect((await ask(server, `rollouts/${id}/attempts/latest`, { status: 'failed' })).status).toBe(200);
}

it('queues again what another server on the same store queued again before', async () => {
  const { server, store } = await open();
  const { server: other } = await open(store);
  const id = await enqueue(server);
  await failOnce(server, id);
  expect((await ask(other, `rollouts/${id}`)).body.status).toBe('failed');
  await ask(server, `rollouts/${id}`, { status: 'requeuing' });
  await failOnce(server, id);
  expect((await ask(other, `rollouts/${id}`, { status: 'requeuing' })).body.status).toBe('requeuing');
  await failOnce(server, id);
  expect((await store.getRollout(`${id}:again-3`))?.status).toBe('failed');
});

/** Lets the next two rollouts that are enqueued meet: the second starts its way into the store when the first is there. */
function meetAtEnqueue(store: MemoryStore): void {
  const write = store.enqueue.bind(store);
  const hasSecond = Promise.withResolvers<void>();
  const isFirstIn = Promise.withResolvers<void>();
  vi.spyOn(store, 'enqueue')
    .mockImplementationOnce(async (requests) => {
      await hasSecond.promise;
      const rollouts = await write(requests);
      isFirstIn.resolve();
      return rollouts;
    })
    .mockImplementationOnce(async (requests) => {
      hasSecond.resolve();
      await isFirstIn.promise;
      return write(requests);
    });
}

it('queues a rollout once that two servers queue again at the same moment', async () => {
  const { server, store } = await open();
  const { server: other } = await open(store);
  const id = await enqueue(server);
  await failOnce(server, id);
  meetAtEnqueue(store);
  const requeued = [server, other].map((each) => ask(each, `rollouts/${id}`, { status: 'requeuing' }));
  for (const { body } of await Promise.all(requeued)) expect(body.status).toBe('requeuing');
  expect((await store.queryRollouts({})).items.map(({ status }) => status)).toEqual(['failed', 'queuing']);
});

it('keeps both changes that two servers make of a waiting rollout at the same moment, and queues it once', async () => {
  const { server, store } = await open();
  const { server: other } = await open(store);
  const id = await enqueue(server);
  meetAtEnqueue(store);
  const changed = await Promise.all([
    ask(server, `rollouts/${id}`, { metadata: { note: 'first' } }),
    ask(other, `rollouts/${id}`, { input: { q: 2 } }),
  ]);
  expect(changed.map(({ status }) => status)).toEqual([200, 200]);
  expect((await store.queryRollouts({})).items.map(({ status }) => status)).toEqual([
    'cancelled',
    'cancelled',
    'queuing',
  ]);
  expect(await dequeue(server)).toMatchObject({ rollout_id: id, input: { q: 2 }, metadata: { note: 'first' } });
  expect(await dequeue(other)).toBeUndefined();
});

it('leaves no hole in a line when the store refuses its next rollout', async () => {
  const { server, store } = await open();
  const id = await enqueue(server);
  await failOnce(server, id);
  vi.spyOn(store, 'enqueue').mockRejectedValueOnce(new StoreError('away', { code: 'store-unavailable' }));
  expect((await ask(server, `rollouts/${id}`, { status: 'requeuing' })).status).toBe(503);
  await ask(server, `rollouts/${id}`, { status: 'requeuing' });
  const { server: later } = await open(store);
  expect((await ask(later, `rollouts/${id}`)).body.status).toBe('requeuing');
  expect((await store.getRollout(`${id}:again-2`))?.status).toBe('queuing');
});

it('carries out steps of one line one after another', async () => {
  const { server, store } = await open();
  const id = await enqueue(server);
  await failOnce(server, id);
  const requeue = (): ReturnType<typeof ask> => ask(server, `rollouts/${id}`, { status: 'requeuing' });
  for (const { body } of await Promise.all([requeue(), requeue(), requeue()])) expect(body.status).toBe('requeuing');
  expect((await store.queryRollouts({})).items).toHaveLength(2);
});

it('hands out the changed rollout alone when a server died before it had cancelled the one that it replaces', async () => {
  const { server, store } = await open();
  const id = await enqueue(server);
  const other = await enqueue(server);
  const cancel = vi.spyOn(store, 'cancel').mockRejectedValueOnce(new StoreError('died', { code: 'store-closed' }));
  expect((await ask(server, `rollouts/${id}`, { metadata: { changed: true } })).status).toBeGreaterThanOrEqual(500);
  expect(cancel).toHaveBeenCalledOnce();
  const { server: next } = await open(store);
  const both = await ask(next, 'queues/rollouts/dequeue', { limit: 1, worker_id: 'Worker-0' });
  expect(both.body).toMatchObject([{ rollout_id: other }]);
  expect((await ask(next, 'queues/rollouts/dequeue', { limit: 5, worker_id: 'Worker-0' })).body).toMatchObject([
    { rollout_id: id, metadata: { changed: true } },
  ]);
  expect((await ask(next, 'queues/rollouts/dequeue', { limit: 5, worker_id: 'Worker-0' })).body).toEqual([]);
  expect((await store.queryRollouts()).items.map(({ status }) => status)).toEqual([
    'cancelled',
    'preparing',
    'preparing',
  ]);
});
