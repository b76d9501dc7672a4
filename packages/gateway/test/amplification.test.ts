import { attributeNames as names, toEpisode, toMessages } from '@agent-lightning/core';
import { startModelServer, type ModelServer, type ModelServerOptions } from '@agent-lightning/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { FakeEngine } from './fake-engine.ts';
import { onStop, startHarness, stopAll, until, type Harness } from './harness.ts';

afterEach(stopAll);
const message = { role: 'user' as const, content: 'hi' };
const body = { model: 'policy', messages: [message] };

async function start(
  respond: NonNullable<ModelServerOptions['respond']>,
  options: Parameters<typeof startHarness>[0] = {},
): Promise<Harness & { server: ModelServer }> {
  const server = await startModelServer({ respond });
  onStop(() => server.close());
  const harness = await startHarness(options);
  harness.gateway.publish('policy', { kind: 'openai', version: 1, baseUrl: server.baseUrl, model: 'm' });
  return { ...harness, server };
}

async function codeOf(response: Response): Promise<[number, string]> {
  const { error } = (await response.json()) as { error: { code: string } };
  return [response.status, error.code];
}

describe('a call with many choices', () => {
  const choices = 128;
  const long = 'x'.repeat(50_000);
  const tool = { type: 'function' as const, function: { name: 'f', description: long, parameters: {} } };

  it('stores its prompt, its tools and its stops once, and gives every choice the whole of them', async () => {
    const promptTokenIds = Array.from({ length: 5_000 }, (_, index) => index);
    const { post, finish, store, claim } = await start(() => ({ promptTokenIds, content: 'a b' }));
    const messages = [{ role: 'user', content: long }];
    expect((await post({ ...body, messages, tools: [tool], stop: [long], n: choices })).status).toBe(200);
    const spans = await finish();
    expect(spans).toHaveLength(choices);
    const stored = spans.reduce((sum, { name, attributes }) => sum + JSON.stringify([name, attributes]).length, 0);
    // Three long texts, and some hundred characters for each choice.
    expect(stored).toBeLessThan(3.2 * long.length + choices * 2_000);
    expect(spans.reduce((sum, { tokens }) => sum + (tokens?.prompt.length ?? 0), 0)).toBe(promptTokenIds.length);
    const { rollout } = claim;
    const whole = await store.getRollout(rollout.rolloutId);
    const { transitions } = toEpisode(whole ?? rollout, spans);
    expect(transitions).toHaveLength(choices);
    for (const { promptIds } of transitions) expect([...promptIds]).toEqual(promptTokenIds);
    const { conversations } = toMessages(spans);
    expect(conversations).toHaveLength(choices);
    for (const { messages: said, tools } of conversations) expect([said[0], tools]).toEqual([messages[0], [tool]]);
  });

  it('says so when it is announced, too', async () => {
    const { client, finish } = await start(() => 'a', { announceAfterMs: 0 });
    await client.chat.completions.create({ ...body, messages: [{ role: 'user', content: long }], n: 3 });
    const spans = await finish();
    const [first, ...others] = spans;
    expect(spans.map(({ attributes }) => attributes[names.choiceIndex])).toEqual([0, 1, 2]);
    for (const { attributes } of others) {
      expect(attributes[names.promptSpan]).toBe(first?.spanId);
      expect(attributes).not.toHaveProperty(names.inputMessages);
    }
  });
});

describe('what the calls of an attempt put into the store', () => {
  it('is bounded, by name, and another attempt has its own bound', async () => {
    const { post, open, finish, server, gateway } = await start(() => 'a', { maxAttemptStoredBytes: 30_000 });
    const ask = (init = {}): Promise<Response> =>
      post({ ...body, messages: [{ role: 'user', content: 'x'.repeat(10_000) }] }, init);
    expect((await ask()).status).toBe(200);
    expect((await ask()).status).toBe(200);
    const refused = await ask();
    expect(refused.headers.get('retry-after')).toBeNull();
    expect(await codeOf(refused)).toEqual([413, 'attempt-full']);
    expect(server.calls).toHaveLength(2);
    expect(gateway.statistics.rejected).toEqual({ 'attempt-full': 1 });
    const other = await open();
    await other.client.chat.completions.create(body);
    expect(await finish()).toHaveLength(2);
  });

  it('is bounded however small the calls are, by what each span costs', async () => {
    const { post } = await start(() => 'a', { maxAttemptStoredBytes: 100_000 });
    const statuses: number[] = [];
    for (let call = 0; call < 3; call += 1) statuses.push((await post({ ...body, n: 40 })).status);
    expect(statuses).toEqual([200, 200, 413]);
  });

  it('counts replies', async () => {
    const { post } = await start(() => ({ content: 'y '.repeat(5_000) }), { maxAttemptStoredBytes: 30_000 });
    expect([(await post(body)).status, (await post(body)).status]).toEqual([200, 413]);
  });
});

describe('the replies to the calls of an attempt in flight', () => {
  it('have no more bytes together than they may, and count no longer when they are over', async () => {
    const { post, open } = await start(() => ({ content: 'y '.repeat(50) }), { maxAttemptReplyBytes: 20_000 });
    // One after the other each fits.
    for (let call = 0; call < 3; call += 1) expect((await post(body)).status).toBe(200);
    const refused = await post({ ...body, n: 8 });
    expect(await codeOf(refused)).toEqual([413, 'attempt-replies-full']);
    expect((await post(body)).status).toBe(200);
    expect((await (await open()).client.chat.completions.create(body)).choices).toHaveLength(1);
  });
});

describe('references to items of earlier replies', () => {
  it('stand for no more than a body may have', async () => {
    const { client, post, server } = await start(() => ({ content: 'z'.repeat(1_000_000) }));
    const first = await client.responses.create({ model: 'policy', input: 'go' });
    const id = first.output[0]?.id;
    const ask = (count: number): Promise<Response> =>
      post(
        { model: 'policy', input: Array.from({ length: count }, () => ({ type: 'item_reference', id })) },
        { path: '/responses' },
      );
    // 3 kB that would become 60 MB.
    const refused = await ask(60);
    expect(refused.status).toBe(413);
    expect(await refused.json()).toMatchObject({ error: { code: 'request-too-large', param: 'input[20]' } });
    expect(server.calls).toHaveLength(1);
    expect((await ask(2)).status).toBe(200);
  });
});

describe('the requests of an attempt in flight', () => {
  it('are no more than they may be; further ones wait, and too many of those are sent away', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const engine = new FakeEngine({ before: () => promise });
    const harness = await startHarness({ maxAttemptCalls: 2 });
    harness.gateway.publish('policy', { kind: 'engine', version: 1, engine });
    const metric = async (): Promise<string> => (await fetch(`${harness.gateway.url}/metrics`)).text();
    const asked = Array.from({ length: 10 }, () => harness.post(body));
    while (!(await metric()).includes('agentlightning_gateway_waiting_requests 8'));
    expect(engine.requests).toHaveLength(2);
    expect(await codeOf(await harness.post(body))).toEqual([429, 'attempt-busy']);
    const other = await harness.open();
    const answered = other.client.chat.completions.create(body);
    await until(() => engine.requests.length === 3);
    const open = harness.gateway.openCalls();
    expect([open.length, new Set(open.map(({ rolloutId }) => rolloutId)).size]).toEqual([3, 2]);
    expect(Math.min(...open.map(({ forMs }) => forMs))).toBeGreaterThan(0);
    resolve();
    expect((await answered).choices).toHaveLength(1);
    expect((await Promise.all(asked)).map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 200));
    expect(harness.gateway.openCalls()).toEqual([]);
    expect((await harness.post(body)).status).toBe(200);
  });
});
