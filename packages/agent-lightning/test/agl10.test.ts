import { Gateway } from '@agent-lightning/gateway';
import { readReward } from '@agent-lightning/core';
import { KeyRing, startServer, type Role } from '@agent-lightning/server';
import { MemoryStore } from '@agent-lightning/store';
import { startModelServer, type ModelServer } from '@agent-lightning/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

let store: MemoryStore;
let model: ModelServer;
let keys: KeyRing;
const keyOf: Partial<Record<Role, string>> = {};
const closing: (() => Promise<void>)[] = [];

/** The part of an event that is looked at. */
interface ShownEvent {
  readonly data: {
    readonly server: { readonly version: number };
    readonly request: { readonly messages: readonly { readonly content: string }[] };
  };
}

type Ask = (method: string, path: string, body?: unknown, role?: Role) => Promise<{ status: number; body: unknown }>;

/** Starts a server of the one store. */
async function serve(agentRewards = true, modelWaitMs = 5_000): Promise<Ask & { close(): Promise<void> }> {
  const gateway = Gateway.mount({ store });
  const server = await startServer({ store, gateway, keys, port: 0, agentRewards, modelWaitMs });
  const close = async (): Promise<void> => {
    await server.close();
    await gateway.close();
  };
  closing.push(close);
  const ask: Ask = async (method, path, body, role = 'trainer') => {
    const response = await fetch(server.url + path, {
      method,
      headers: { authorization: `Bearer ${keyOf[role]}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
  };
  return Object.assign(ask, { close });
}

const rewardOne = { event_type: 'reward', data: { value: 1 } };
const completions = '/proxy/rollout/r/attempt/0/mode/train/openai/v1/completions';
const chat = '/proxy/rollout/r/attempt/0/mode/train/openai/v1/chat/completions';

beforeEach(async () => {
  store = new MemoryStore();
  model = await startModelServer({ respond: () => 'yes' });
  keys = new KeyRing();
  for (const role of ['trainer', 'runner'] as const) keyOf[role] = (await keys.add({ role })).key;
  closing.push(
    () => store.close(),
    () => model.close(),
  );
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** Enqueues the rollout `r` and, if asked, lets its controller start it. */
async function enqueue(ask: Ask, isRunning = true): Promise<void> {
  expect((await ask('POST', '/api/rollouts', [{ rollout_id: 'r', input: 1 }])).status).toBe(201);
  if (isRunning)
    await ask('PATCH', '/api/rollouts/r', { status: { state: 'running', last_attempt_id: '0' } }, 'runner');
}

const register = (ask: Ask): ReturnType<Ask> =>
  ask('POST', '/api/models', [{ model: 'test-model', endpoint: model.baseUrl, version: 0 }]);

describe('the contract of Agent Lightning 1.0', () => {
  it('takes rewards of agents only with agentRewards, and those of hooks always, also late', async () => {
    const ask = await serve(false);
    await enqueue(ask);
    const events = '/api/rollouts/r/attempt/0/events';
    expect(await ask('POST', events, rewardOne, 'runner')).toMatchObject({
      status: 403,
      body: { detail: expect.stringContaining('agentRewards: true') },
    });
    await ask('PATCH', '/api/rollouts/r', { status: { state: 'succeeded' } }, 'runner');
    expect((await ask('POST', events, rewardOne)).status).toBe(200);
    const spans = await store.querySpans({ rolloutIds: ['r'] });
    expect(spans.map((span) => readReward(span)?.dimensions[0]?.value)).toEqual([1]);
  });

  it("refuses an agent's reward for a rollout that is over", async () => {
    const ask = await serve();
    await enqueue(ask);
    await ask('PATCH', '/api/rollouts/r', { status: { state: 'failed', error_message: 'late' } }, 'runner');
    expect((await ask('POST', '/api/rollouts/r/attempt/0/events', rewardOne, 'runner')).status).toBe(409);
    expect(await store.getRollout('r')).toMatchObject({ status: 'failed', failure: { message: 'late' } });
  });

  it('lets a controller neither give out work nor publish models', async () => {
    const ask = await serve();
    expect((await ask('POST', '/api/rollouts', [], 'runner')).status).toBe(403);
    expect((await ask('POST', '/api/models', [], 'runner')).status).toBe(403);
    expect((await ask('POST', '/proxy/pause', {}, 'runner')).status).toBe(403);
  });

  it('holds a call while the trainer has no model registered, and counts the version up', async () => {
    const ask = await serve();
    await enqueue(ask);
    await register(ask);
    expect((await ask('POST', chat, { messages: [{ role: 'user', content: 'a' }] }, 'runner')).status).toBe(200);
    await ask('DELETE', '/api/models');
    const held = ask('POST', completions, { prompt: 'b', model: 'any' }, 'runner');
    await register(ask);
    expect(await held).toMatchObject({ status: 200, body: { choices: [{ text: 'yes' }] } });
    const { body } = await ask('GET', '/api/rollouts/r/events?format=triplet');
    expect((body as ShownEvent[]).map(({ data }) => data.server.version)).toEqual([1, 2]);
  });

  it('goes on with a rollout after the server was started again', async () => {
    const first = await serve();
    await enqueue(first);
    await register(first);
    await first('POST', chat, { messages: [{ role: 'user', content: 'a' }] }, 'runner');
    await first.close();
    const second = await serve();
    expect((await second('GET', '/api/rollouts/r')).body).toMatchObject({
      rollout: { status: { state: 'running', last_attempt_id: '0', version: 2 } },
      attempts: ['0'],
    });
    await register(second);
    await second('POST', chat, { messages: [{ role: 'user', content: 'b' }] }, 'runner');
    await second('PATCH', '/api/rollouts/r', { status: { state: 'succeeded' } }, 'runner');
    expect((await store.getRollout('r'))?.status).toBe('succeeded');
    const { body } = await second('GET', '/api/rollouts/r/events?event_type=model_request');
    expect((body as ShownEvent[]).map(({ data }) => data.request.messages[0]?.content)).toEqual(['a', 'b']);
  });

  it('hides a deleted rollout, cancels it, and keeps what it did', async () => {
    const ask = await serve();
    await enqueue(ask);
    await ask('POST', '/api/rollouts/r/attempt/0/events', rewardOne, 'runner');
    expect((await ask('DELETE', '/api/rollouts/r')).status).toBe(204);
    expect((await ask('GET', '/api/rollouts/r')).status).toBe(404);
    expect((await ask('GET', '/api/rollouts?state_in=running')).body).toEqual([]);
    expect((await store.getRollout('r'))?.status).toBe('cancelled');
    expect(await store.querySpans({ rolloutIds: ['r'] })).toHaveLength(1);
    expect((await ask('POST', '/api/rollouts', [{ rollout_id: 'r', input: 1 }])).status).toBe(409);
  });

  it('answers an id that no store has as one that is not there, and takes no such id', async () => {
    const ask = await serve();
    expect((await ask('GET', '/api/rollouts/a..b')).status).toBe(404);
    expect((await ask('DELETE', '/api/rollouts/a..b')).status).toBe(204);
    for (const rollout_id of ['a..b', '', 'x'.repeat(151)])
      expect(await ask('POST', '/api/rollouts', [{ rollout_id, input: 1 }])).toMatchObject({
        status: 422,
        body: { detail: [{ loc: ['body', 0, 'rollout_id'], msg: expect.stringContaining('1 to 150') }] },
      });
  });

  it('does not touch the rollouts of other programs', async () => {
    const ask = await serve();
    await store.enqueue([{ rolloutId: 'other', input: 1 }]);
    expect((await ask('GET', '/api/rollouts/other')).status).toBe(404);
    expect((await ask('DELETE', '/api/rollouts/other')).status).toBe(204);
    expect((await ask('GET', '/api/rollouts?state_in=queuing')).body).toEqual([]);
    expect((await store.getRollout('other'))?.status).toBe('queuing');
  });
});
