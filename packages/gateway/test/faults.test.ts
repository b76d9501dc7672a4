import { attributeNames as names, StoreError } from '@agent-lightning/core';
import { MemoryStore } from '@agent-lightning/store';
import {
  startModelServer,
  type ModelServer,
  type ModelServerOptions,
  type ScriptedFault,
} from '@agent-lightning/testing';
import OpenAI from 'openai';
import { afterEach, describe, expect, it } from 'vitest';
import { Gateway, type GatewayOptions } from '../src/index.ts';
import { FakeEngine } from './fake-engine.ts';
import { onStop, startHarness, stopAll, until, type Harness } from './harness.ts';
import { holdTimers } from './held-timers.ts';

afterEach(stopAll);
const messages = [{ role: 'user' as const, content: 'hi' }];
const request = { model: 'policy', messages };

/** A limit that is over when the test says so. */
const heldMs = 54_321;

async function start(
  respond: ModelServerOptions['respond'],
  options: Partial<GatewayOptions> = {},
): Promise<Harness & { server: ModelServer }> {
  const server = await startModelServer(respond === undefined ? {} : { respond });
  onStop(() => server.close());
  const harness = await startHarness({ maxRetries: 2, ...options });
  harness.gateway.publish('policy', { kind: 'openai', version: 1, baseUrl: server.baseUrl, model: 'm' });
  return { ...harness, server };
}

async function drain(client: OpenAI, onText: () => void = () => undefined): Promise<string> {
  let text = '';
  for await (const chunk of await client.chat.completions.create({ ...request, stream: true })) {
    text += chunk.choices[0]?.delta.content ?? '';
    if (text !== '') onText();
  }
  return text;
}

describe('an upstream that fails before its first byte', () => {
  it.each<[string, ScriptedFault]>([
    ['429', { type: 'status', status: 429, headers: { 'retry-after': '0' } }],
    ['500', { type: 'status', status: 500 }],
    ['502', { type: 'status', status: 502 }],
    ['503', { type: 'status', status: 503 }],
    ['a reset', { type: 'reset' }],
  ])('is asked again after %s', async (_name, fault) => {
    const { client, server, finish } = await start([{ fault }, { fault }, { content: 'fine' }]);
    expect((await client.chat.completions.create(request)).choices[0]?.message.content).toBe('fine');
    expect(server.calls).toHaveLength(3);
    const spans = await finish();
    expect(spans).toHaveLength(1);
    expect(spans[0]?.attributes).toMatchObject({ [names.retries]: 2 });
    expect(spans[0]?.attributes).not.toHaveProperty(names.untrainable);
  });

  it.each<[ScriptedFault, number, string]>([
    [{ type: 'status', status: 500, message: 'CUDA error' }, 502, 'upstream-failed'],
    [{ type: 'reset' }, 502, 'upstream-failed'],
    [{ type: 'status', status: 429, headers: { 'retry-after': '0' } }, 429, '429'],
  ])('is given up after the last retry: %o', async (fault, status, code) => {
    const { client, server, finish } = await start(() => ({ fault }));
    const error = await client.chat.completions.create(request).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ status });
    expect(server.calls).toHaveLength(3);
    const [span] = await finish();
    expect(span).toMatchObject({ status: { code: 'error' }, attributes: { [names.retries]: 2 } });
    expect(span?.attributes[names.errorType]).toBe(status === 429 ? 'upstream-rejected' : code);
    expect(span?.attributes[names.untrainable]).toContain('failed');
  });

  it('passes a refusal on with its status and words, and does not repeat it', async () => {
    const { client, server } = await start(() => ({
      fault: {
        type: 'status',
        status: 422,
        body: JSON.stringify({ error: { message: 'no such tool parser', param: 'tools', code: 'bad_tools' } }),
      },
    }));
    await expect(client.chat.completions.create(request)).rejects.toMatchObject({
      status: 422,
      param: 'tools',
      code: 'bad_tools',
      message: expect.stringContaining('no such tool parser'),
    });
    expect(server.calls).toHaveLength(1);
  });

  it.each([401, 403, 404, 307])('does not let the agent take the upstream’s %i for its own', async (status) => {
    const { client, server } = await start(() => ({
      fault: { type: 'status', status, headers: { location: 'http://169.254.169.254/' } },
    }));
    await expect(client.chat.completions.create(request)).rejects.toMatchObject({
      status: 502,
      code: 'upstream-rejected',
    });
    expect(server.calls).toHaveLength(1);
  });

  it('waits no longer than its deadline allows when asked to come back late', async () => {
    const { client, server } = await start(() => ({
      fault: { type: 'status', status: 429, headers: { 'retry-after': '3600' } },
    }));
    await expect(client.chat.completions.create(request)).rejects.toMatchObject({ status: 429 });
    expect(server.calls).toHaveLength(1);
  });

  it('says so when nobody listens there', async () => {
    const { client, gateway } = await startHarness({ maxRetries: 1 });
    gateway.publish('policy', { kind: 'openai', version: 1, baseUrl: 'http://127.0.0.1:1/v1', model: 'm' });
    await expect(client.chat.completions.create(request)).rejects.toThrow(/127\.0\.0\.1:1.*ECONNREFUSED/u);
  });
});

describe('an upstream whose reply breaks', () => {
  it.each<[string, ScriptedFault, number, string]>([
    ['half JSON', { type: 'truncate', afterEvents: 2 }, 502, 'upstream-bad-json'],
    ['a cut connection', { type: 'cut', afterEvents: 2 }, 502, 'upstream-failed'],
    [
      'a web page',
      { type: 'content-type', contentType: 'text/html', body: '<h1>Bad gateway</h1>' },
      502,
      'upstream-content-type',
    ],
    ['silence in mid-body', { type: 'stall', afterEvents: 2 }, 504, 'upstream-stalled'],
  ])('gives the agent a distinct error for %s', async (_name, fault, status, code) => {
    using silence = holdTimers(heldMs);
    const { client, server, finish } = await start(() => ({ content: 'a b c d', fault }), { stallTimeoutMs: heldMs });
    const call = client.chat.completions.create(request);
    if (fault.type === 'stall') void until(() => silence.count === 1).then(() => silence.end());
    await expect(call).rejects.toMatchObject({ status, code });
    expect(server.calls).toHaveLength(1);
    expect((await finish())[0]).toMatchObject({ status: { code: 'error' }, attributes: { [names.errorType]: code } });
  });

  it.each<[string, ScriptedFault, string]>([
    ['cut', { type: 'cut', afterEvents: 3 }, 'upstream-failed'],
    ['truncated', { type: 'truncate', afterEvents: 3 }, 'upstream-truncated'],
    ['stalled', { type: 'stall', afterEvents: 3 }, 'upstream-stalled'],
    ['endless', { type: 'endless' }, 'upstream-endless'],
  ])('ends a %s stream with an error event, and keeps what was there as incomplete', async (_name, fault, code) => {
    using silence = holdTimers(heldMs);
    const { client, server, finish } = await start(() => ({ content: 'a b c d', fault }), {
      stallTimeoutMs: heldMs,
      maxReplyBytes: 20_000,
    });
    const onText = (): void => (fault.type === 'stall' ? silence.end() : undefined);
    await expect(drain(client, onText)).rejects.toMatchObject({ code });
    expect(server.calls).toHaveLength(1);
    const [span] = await finish();
    expect(span?.attributes).toMatchObject({ [names.errorType]: code, [names.incomplete]: true });
    expect(span?.attributes[names.untrainable]).toMatch(/^incomplete/u);
    expect(span?.tokens?.response.length).toBeGreaterThan(0);
  });

  it('takes a deadline for what it is, however lively the stream', async () => {
    using time = holdTimers(heldMs);
    const { client, finish } = await start(() => ({ content: 'a b', fault: { type: 'endless' } }), {
      callTimeoutMs: heldMs,
    });
    await expect(drain(client, () => time.end())).rejects.toMatchObject({ code: 'call-timeout' });
    expect((await finish())[0]?.attributes).toMatchObject({
      [names.errorType]: 'call-timeout',
      [names.incomplete]: true,
    });
  });

  it('accepts a stream whose server forgets [DONE] after every choice has ended', async () => {
    // role, "a", finish, usage: everything but the last event
    const { client, finish } = await start(() => ({ content: 'a', fault: { type: 'truncate', afterEvents: 4 } }));
    expect(await drain(client)).toBe('a');
    expect((await finish())[0]?.attributes).not.toHaveProperty(names.untrainable);
  });
});

describe('an agent that goes away', () => {
  it('stops the upstream and leaves an incomplete span', async () => {
    const { client, server, finish } = await start(() => ({ content: 'a b', fault: { type: 'endless' } }));
    const stream = await client.chat.completions.create({ ...request, stream: true });
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content === 'a') break;
    expect(await server.calls[0]?.finished).toBe(false);
    const [span] = await finish();
    expect(span?.attributes).toMatchObject({ [names.incomplete]: true, [names.errorType]: 'cancelled' });
  });

  it('stops the engine, also for an unstreamed call', async () => {
    const { endpoint, gateway, finish } = await startHarness();
    let aborted = false;
    const engine = new FakeEngine({
      before: (event, _call, signal) =>
        event.type === 'piece'
          ? new Promise((_, reject) => {
              signal?.addEventListener('abort', () => {
                aborted = true;
                reject(signal.reason);
              });
            })
          : undefined,
    });
    gateway.publish('policy', { kind: 'engine', version: 1, engine });
    const impatient = new OpenAI({ baseURL: endpoint.baseUrl, apiKey: endpoint.apiKey, maxRetries: 0 });
    const controller = new AbortController();
    const call = impatient.chat.completions.create(request, { signal: controller.signal });
    await until(() => engine.requests.length === 1);
    controller.abort();
    await expect(call).rejects.toThrow();
    await until(() => aborted);
    expect((await finish())[0]?.attributes).toMatchObject({ [names.incomplete]: true, [names.errorType]: 'cancelled' });
  });

  it('leaves one trainable call when a client retries: the one that it got', async () => {
    const { server, endpoint, finish } = await start(undefined);
    server.respondWith([{ fault: { type: 'stall', afterEvents: 0 } }, 'second']);
    /** Gives up its first request once it has reached the upstream, as one whose timeout is over does. */
    const impatient: typeof fetch = async (url, init) => {
      if (server.calls.length > 0) return await fetch(url, init);
      const controller = new AbortController();
      void until(() => server.calls.length === 1).then(() => controller.abort());
      return await fetch(url, { ...init, signal: controller.signal });
    };
    const { baseUrl: baseURL, apiKey } = endpoint;
    const retrying = new OpenAI({ baseURL, apiKey, maxRetries: 1, fetch: impatient });
    expect((await retrying.chat.completions.create(request)).choices[0]?.message.content).toBe('second');
    const spans = await finish();
    expect(spans.map((span) => names.untrainable in span.attributes)).toEqual([true, false]);
  });

  it('is cut off when its attempt is closed, and the gateway does not wait for a deaf engine', async () => {
    const { client, gateway, finish } = await startHarness();
    const engine = new FakeEngine({
      before: (event) => (event.type === 'piece' ? new Promise<never>(() => undefined) : undefined),
    });
    gateway.publish('policy', { kind: 'engine', version: 1, engine });
    const call = client.chat.completions.create(request).catch((error: unknown) => error);
    await until(() => engine.requests.length === 1);
    const [span] = await finish();
    expect(span?.attributes[names.untrainable]).toContain('the attempt ended');
    expect(await call).toBeInstanceOf(OpenAI.APIError);
  });
});

describe('a gateway that closes', () => {
  it('ends a stream with an error and keeps what was there as incomplete', async () => {
    const { client, gateway, server, store, claim } = await start(() => ({
      content: 'a b',
      fault: { type: 'endless' },
    }));
    const reading = drain(client);
    await until(() => server.calls.length === 1);
    const closed = gateway.close();
    await expect(reading).rejects.toThrow();
    await closed;
    const [span] = await store.querySpans({ rolloutIds: [claim.rollout.rolloutId] });
    expect(span?.attributes).toMatchObject({ [names.incomplete]: true });
  });
});

describe('pause', () => {
  it('kills no call, holds new ones, and lets them in on resume', async () => {
    const { client, gateway } = await startHarness();
    let goOn = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const engine = new FakeEngine({
      before: (event, call) => (call === 0 && event.type === 'piece' ? gate : undefined),
    });
    gateway.publish('policy', { kind: 'engine', version: 1, engine });
    const first = client.chat.completions.create(request);
    await until(() => engine.requests.length === 1);
    const paused = gateway.pause();
    const second = client.chat.completions.create(request);
    goOn();
    expect(await paused).toBe(0);
    expect((await first).choices).toHaveLength(1);
    expect(engine.requests).toHaveLength(1);
    gateway.publish('policy', { kind: 'engine', version: 2, engine });
    gateway.resume();
    expect((await second).system_fingerprint).toBe('version-2');
  });

  it('answers 429 with Retry-After once the drain is over, and says how many calls were left', async () => {
    const { client, gateway } = await startHarness();
    const engine = new FakeEngine({
      before: (event) => (event.type === 'piece' ? new Promise<never>(() => undefined) : undefined),
    });
    gateway.publish('policy', { kind: 'engine', version: 1, engine });
    client.chat.completions.create(request).catch(() => undefined);
    await until(() => engine.requests.length === 1);
    expect(await gateway.pause({ drainMs: 1, retryAfterSeconds: 7 })).toBe(1);
    const error = await client.chat.completions.create(request).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ status: 429, code: 'paused' });
    expect((error as InstanceType<typeof OpenAI.APIError>).headers?.get('retry-after')).toBe('7');
  });
});

describe('a store that fails', () => {
  it('is named when the attempt is closed, and closing again stores what was missing', async () => {
    const inner = new MemoryStore();
    let isFull = true;
    const store = {
      appendSpans: (...args: Parameters<MemoryStore['appendSpans']>) =>
        isFull
          ? Promise.reject(new StoreError('the disk is full', { code: 'store-full', retryable: true }))
          : inner.appendSpans(...args),
    };
    const gateway = await Gateway.start({ store });
    onStop(async () => {
      await gateway.close();
      await inner.close();
    });
    gateway.publish('policy', { kind: 'engine', version: 1, engine: new FakeEngine() });
    await inner.enqueue([{ input: null }]);
    const [claim] = await inner.claim({ workerId: 'w' });
    if (claim === undefined) throw new Error('nothing to claim');
    const endpoint = await gateway.openAttempt(claim);
    const client = new OpenAI({ baseURL: endpoint.baseUrl, apiKey: endpoint.apiKey });
    await client.chat.completions.create(request);
    await expect(gateway.closeAttempt(claim)).rejects.toMatchObject({ code: 'store-full' });
    isFull = false;
    await gateway.closeAttempt(claim);
    expect(await inner.querySpans({ rolloutIds: [claim.rollout.rolloutId] })).toHaveLength(1);
  });
});
