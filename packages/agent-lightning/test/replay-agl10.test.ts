import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Gateway } from '@agent-lightning/gateway';
import { KeyRing, startServer, type Server } from '@agent-lightning/server';
import { MemoryStore } from '@agent-lightning/store';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

/** One request that a program of Agent Lightning 1.0.2 sent, and what its own server answered. */
interface Recorded {
  readonly method: string;
  readonly path: string;
  readonly request?: unknown;
  /** The body, where it is no JSON, or was not sent as such. */
  readonly text?: string;
  readonly noKey?: true;
  readonly headers?: Readonly<Record<string, string>>;
  readonly status: number;
  readonly response: unknown;
}

function readRecording(name: string): readonly Recorded[] {
  return JSON.parse(readFileSync(new URL(`__fixtures__/agl10/${name}.json`, import.meta.url), 'utf8')) as Recorded[];
}

const recordings = Object.fromEntries(
  ['trainer', 'controller', 'agent', 'errors'].map((name) => [name, readRecording(name)]),
) as Readonly<Record<'trainer' | 'controller' | 'agent' | 'errors', readonly Recorded[]>>;

type Reply = { readonly choices: readonly { readonly logprobs: unknown }[] };

/** What the recorded engine answered to these messages, and the calls that are in the raw events alone. */
function recordedReplies(): ReadonlyMap<string, Reply> {
  const replies = new Map<string, Reply>();
  for (const { path, request, response } of [...recordings.agent, ...recordings.errors])
    if (path.endsWith('/chat/completions') && request !== undefined && path.includes('/mode/train/'))
      replies.set(JSON.stringify((request as { messages: unknown }).messages), response as Reply);
  for (const { response } of recordings.trainer)
    for (const event of Array.isArray(response)
      ? (response as { data?: { request?: { messages: unknown }; response: Reply } }[])
      : [])
      if (event.data?.request !== undefined)
        replies.set(JSON.stringify(event.data.request.messages), event.data.response);
  return replies;
}

let engine: HttpServer;
let engineUrl: string;
let store: MemoryStore;
let gateway: Gateway;
let server: Server;
let key: string;
/** What the engine was asked. */
const asked: Readonly<Record<string, unknown>>[] = [];

beforeEach(async () => {
  const replies = recordedReplies();
  engine = createServer((request, response) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const body = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Record<string, unknown>;
      asked.push(body);
      const reply = replies.get(JSON.stringify(body['messages']));
      response
        .writeHead(reply === undefined ? 400 : 200, { 'content-type': 'application/json' })
        .end(JSON.stringify(reply ?? { error: { message: 'not recorded' } }));
    })();
  });
  await once(engine.listen(0, '127.0.0.1'), 'listening');
  engineUrl = `http://127.0.0.1:${(engine.address() as AddressInfo).port}/v1`;
  store = new MemoryStore();
  gateway = Gateway.mount({ store, sampling: { val: { temperature: 0.7 } } });
  const keys = new KeyRing();
  ({ key } = await keys.add({ role: 'admin' }));
  server = await startServer({ store, gateway, keys, port: 0, agentRewards: true, modelWaitMs: 20 });
});
afterEach(async () => {
  await server.close();
  await gateway.close();
  await store.close();
  engine.closeAllConnections();
  engine.close();
  asked.length = 0;
});

async function send({ method, path, request, text, noKey }: Recorded): Promise<Response> {
  const body = text ?? (request === null || request === undefined ? undefined : JSON.stringify(request));
  return fetch(server.url + path, {
    method,
    headers: {
      ...(noKey === true ? {} : { authorization: `Bearer ${key}` }),
      ...(body === undefined
        ? {}
        : { 'content-type': text === undefined ? 'application/json' : 'application/x-www-form-urlencoded' }),
    },
    ...(body === undefined ? {} : { body: body.replaceAll(/http:\/\/127\.0\.0\.1:510\d\/v1/gu, engineUrl) }),
  });
}

/** The members whose values differ from run to run, or that we answer otherwise on purpose: only whether there is one is compared. */
const varying: ReadonlySet<string> = new Set([
  'timestamp',
  'created_at',
  'updated_at',
  'latency_ms',
  'endpoint',
  'created',
  // The engine names its replies.
  'id',
  // Texts of tokens are not kept: their ids are.
  'token',
  // The version of the weights: 0 always with theirs, and counted by us.
  'version',
  'model_version',
]);

/** Makes answers comparable. `top_p` is dropped by our gateway: a trainer scores the whole distribution. */
function toShape(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toShape);
  if (typeof value === 'number') return Math.round(value * 1e6) / 1e6;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => name !== 'top_p')
      .map(([name, item]) => [name, varying.has(name) ? typeof item : toShape(item)]),
  );
}

async function replay(recorded: Recorded): Promise<void> {
  const at = `${recorded.method} ${recorded.path}`;
  const response = await send(recorded);
  const text = await response.text();
  const body: unknown = text === '' ? '' : JSON.parse(text);
  expect({ at, status: response.status, body: toShape(body) }).toEqual({
    at,
    status: recorded.status,
    body: toShape(recorded.response),
  });
  for (const [name, value] of Object.entries(recorded.headers ?? {})) expect(response.headers.get(name)).toBe(value);
}

async function replayAll(exchanges: readonly (Recorded | undefined)[]): Promise<void> {
  for (const exchange of exchanges) await replay(exchange as Recorded);
}

async function patch(rolloutId: string, status: object): Promise<void> {
  const response = await send({
    method: 'PATCH',
    path: `/api/rollouts/${rolloutId}`,
    request: { status },
    status: 200,
    response: undefined,
  });
  expect(response.status).toBe(200);
}

/** Makes the second call of a rollout in training, which the recording has in its events alone: its request is that of the validation. */
async function callAgain(rolloutId: string): Promise<void> {
  const { request } = recordings.agent[5] as Recorded;
  const path = `/proxy/rollout/${rolloutId}/attempt/0/mode/train/openai/v1/chat/completions`;
  const response = await send({ method: 'POST', path, request, status: 200, response: undefined });
  expect(response.status).toBe(200);
}

describe('exchanges of Agent Lightning 1.0.2, recorded with its own server', () => {
  it('are answered alike: a session of its trainer, its controller and their agents', async () => {
    const { trainer, controller, agent } = recordings;
    const [first, second] = (trainer[2]!.request as { rollout_id: string }[]).map(({ rollout_id: id }) => id) as [
      string,
      string,
    ];
    const validated = (trainer[13]!.request as { rollout_id: string }[])[0]!.rollout_id;
    await replayAll(trainer.slice(0, 5));
    await replayAll(controller);
    await replayAll(agent.slice(0, 2));
    await callAgain(first);
    await callAgain(second);
    await replayAll(agent.slice(2, 4));
    await patch(first, { state: 'succeeded', last_attempt_id: '0' });
    await patch(second, { state: 'succeeded', last_attempt_id: '0' });
    await replayAll(trainer.slice(5, 14));
    await patch(validated, { state: 'running', last_attempt_id: '0' });
    await replayAll(agent.slice(4));
    await replayAll(trainer.slice(14));
    const train = { model: 'test-model', temperature: 1, return_token_ids: true, logprobs: true };
    expect(asked[0]).toMatchObject(train);
    expect(asked.at(-1)).toMatchObject({ ...train, temperature: 0.7 });
    expect((await store.getRollout(first))?.status).toBe('succeeded');
  });

  it('are answered alike: errors and edge cases', async () => {
    await replayAll(recordings.trainer.slice(0, 2));
    for (const [index, recorded] of recordings.errors.entries()) {
      // Their counts of rollouts that ended before the recording; and an engine that answers with another kind of reply, which we refuse.
      if (recorded.path.includes('/terminal') || index === 23) continue;
      const hasBadCall = recorded.path.startsWith('/api/rollouts/r1/events');
      await replay(hasBadCall ? { ...recorded, response: (recorded.response as unknown[]).slice(0, 1) } : recorded);
    }
  });
});
