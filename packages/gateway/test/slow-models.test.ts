import Anthropic from '@anthropic-ai/sdk';
import { attributeNames as names } from '@agent-lightning/core';
import type { ScriptedReply } from '@agent-lightning/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { FakeEngine } from './fake-engine.ts';
import { startHarness, stopAll, until, type Harness } from './harness.ts';
import { holdTimers } from './held-timers.ts';
import { startScripted } from './scripted.ts';

afterEach(stopAll);

/** A duration that nothing else uses. */
const heldMs = 87_654;
const messages = [{ role: 'user' as const, content: 'Think.' }];

interface SlowModel extends Harness {
  /** Resolves when the model has the call. */
  isAsked(): Promise<void>;
  answer(reply: ScriptedReply): void;
}

/** Starts a gateway whose policy answers when the test says so. */
async function startSlow(options: Parameters<typeof startHarness>[0]): Promise<SlowModel> {
  const { promise, resolve } = Promise.withResolvers<ScriptedReply>();
  const harness = await startScripted(() => promise, options);
  return { ...harness, isAsked: () => until(() => harness.server.calls.length === 1), answer: resolve };
}

/** Each way to ask: through an official client, which returns the text of the answer. */
const ways: readonly (readonly [string, (harness: Harness) => Promise<string | null | undefined>])[] = [
  [
    'openai, chat',
    async ({ client }) =>
      (await client.chat.completions.create({ model: 'policy', messages })).choices[0]?.message.content,
  ],
  [
    'openai, chat, streamed',
    async ({ client }) => {
      let text = '';
      for await (const chunk of await client.chat.completions.create({ model: 'policy', messages, stream: true }))
        text += chunk.choices[0]?.delta.content ?? '';
      return text;
    },
  ],
  [
    'openai, completions',
    async ({ client }) => (await client.completions.create({ model: 'policy', prompt: 'Think' })).choices[0]?.text,
  ],
  [
    'openai, responses',
    async ({ client }) => (await client.responses.create({ model: 'policy', input: 'Think.' })).output_text,
  ],
  [
    'openai, responses, streamed',
    async ({ client }) => {
      const stream = client.responses.stream({ model: 'policy', input: 'Think.' });
      return (await stream.finalResponse()).output_text;
    },
  ],
  ['anthropic, messages', async ({ endpoint }) => textOf(await messagesOf(endpoint).create(asked))],
  ['anthropic, messages, streamed', async ({ endpoint }) => await messagesOf(endpoint).stream(asked).finalText()],
];

const asked = { model: 'policy', max_tokens: 50, messages };

function messagesOf({ baseUrl, apiKey }: Harness['endpoint']): Anthropic['messages'] {
  return new Anthropic({ baseURL: baseUrl.replace(/\/v1$/u, ''), apiKey, maxRetries: 0 }).messages;
}

function textOf({ content }: Anthropic.Message): string {
  return content.map((block) => (block.type === 'text' ? block.text : '')).join('');
}

describe.each(ways)('a model that thinks for long, asked by %s', (_name, ask) => {
  it('is waited for: its silence is no failure, and the client gets signs that the call goes on', async () => {
    using time = holdTimers(heldMs);
    const slow = await startSlow({ heartbeatMs: heldMs, stallTimeoutMs: heldMs });
    const answer = ask(slow);
    await slow.isAsked();
    for (let beats = 0; beats < 3; beats += 1) time.end();
    slow.answer({ content: 'forty-two it is' });
    expect(await answer).toBe('forty-two it is');
    const [span] = await slow.finish();
    expect(span?.attributes).not.toHaveProperty(names.untrainable);
    expect(span?.tokens?.response.length).toBeGreaterThan(1);
  });
});

const whole = { model: 'policy', messages };
const streamed = { ...whole, stream: true };

describe('the signs of a call that goes on', () => {
  it('are white space before a whole reply, which stays JSON', async () => {
    using time = holdTimers(heldMs);
    const { post, isAsked, answer } = await startSlow({ heartbeatMs: heldMs });
    const asking = post(whole);
    await isAsked();
    time.end();
    const reply = await asking;
    expect([reply.status, reply.headers.get('content-type')]).toEqual([200, 'application/json']);
    time.end();
    answer({ content: 'yes' });
    const text = await reply.text();
    expect(text).toMatch(/^\n\n\{/u);
    expect(JSON.parse(text)).toMatchObject({ choices: [{ message: { content: 'yes' } }] });
  });

  it('are comments before a stream, and within one', async () => {
    using time = holdTimers(heldMs);
    const { gateway, post } = await startHarness({ heartbeatMs: heldMs });
    let release = (): void => undefined;
    let held = 0;
    const engine = new FakeEngine({
      before: () =>
        new Promise<void>((resolve) => {
          held += 1;
          release = resolve;
        }),
    });
    gateway.publish('policy', { kind: 'engine', version: 1, engine });
    const asking = post(streamed);
    await until(() => held === 1);
    time.end();
    const reply = await asking;
    expect(reply.headers.get('content-type')).toMatch(/^text\/event-stream/u);
    for (let events = 2; held < 4; events += 1) {
      release();
      await until(() => held === events);
    }
    time.end();
    release();
    const text = await reply.text();
    expect(text).toMatch(/^: the call goes on\n\ndata: [^]*\n\n: the call goes on\n\ndata: [^]*data: \[DONE\]\n\n$/u);
  });

  it('do not come where they are turned off', async () => {
    const { post, isAsked, answer } = await startSlow({ heartbeatMs: 0 });
    const asking = post(whole);
    await isAsked();
    answer({ content: 'yes' });
    const reply = await asking;
    expect(reply.headers.get('content-length')).not.toBeNull();
    expect(await reply.text()).toMatch(/^\{/u);
  });

  it('are followed by a broken connection where an unstreamed call fails, which no client takes for an answer', async () => {
    using time = holdTimers(heldMs);
    const { post, isAsked, answer, finish } = await startSlow({ heartbeatMs: heldMs, maxRetries: 0 });
    const asking = post(whole);
    await isAsked();
    time.end();
    const reply = await asking;
    answer({ fault: { type: 'status', status: 500, message: 'out of memory' } });
    await expect(reply.text()).rejects.toThrow('terminated');
    const [span] = await finish();
    expect(span?.status).toMatchObject({ code: 'error', message: expect.stringContaining('out of memory') });
    expect(span?.attributes[names.errorType]).toBe('upstream-failed');
  });

  it.each([
    ['/chat/completions', 'data: {"error":{"message":"the upstream failed with status 500'],
    ['/messages', 'event: error\ndata: {"type":"error"'],
  ])('are followed by an error event where a stream fails: %s', async (path, event) => {
    using time = holdTimers(heldMs);
    const { post, isAsked, answer } = await startSlow({ heartbeatMs: heldMs, maxRetries: 0 });
    const asking = post({ ...streamed, max_tokens: 5 }, { path });
    await isAsked();
    time.end();
    const reply = await asking;
    answer({ fault: { type: 'status', status: 500, message: 'out of memory' } });
    expect(await reply.text()).toContain(event);
  });
});

describe('the limit of a call', () => {
  it.each([false, true])('is callTimeoutMs alone until the model speaks; stream: %s', async (stream) => {
    using time = holdTimers(heldMs);
    const { post, isAsked, finish } = await startSlow({ callTimeoutMs: heldMs, stallTimeoutMs: 1 });
    const asking = post({ ...whole, stream });
    await isAsked();
    time.end();
    const reply = await asking;
    expect([reply.status, await reply.json()]).toMatchObject([504, { error: { code: 'call-timeout' } }]);
    expect((await finish())[0]?.attributes[names.errorType]).toBe('call-timeout');
  });

  it('does not count white space or comments that a proxy sends as speech', async () => {
    using time = holdTimers(heldMs);
    const far = await startSlow({ heartbeatMs: heldMs });
    // A gateway behind a gateway: the far one's signs are all that the near one hears.
    const near = await startHarness({ heartbeatMs: 0, stallTimeoutMs: heldMs });
    const { baseUrl, apiKey, model } = far.endpoint;
    near.gateway.publish('policy', { kind: 'openai', version: 1, baseUrl, model, apiKey });
    const asking = near.client.chat.completions.create({ ...whole, model: 'policy' });
    await far.isAsked();
    for (let beats = 0; beats < 3; beats += 1) {
      time.end();
      await new Promise((done) => setImmediate(done));
    }
    far.answer({ content: 'yes' });
    expect((await asking).choices[0]?.message.content).toBe('yes');
    expect(near.gateway.statistics.calls.ok).toBe(1);
  });
});

describe('a server that goes away while a call waits', () => {
  it('fails the call at once: only a living connection may be silent', async () => {
    const { post, server } = await startScripted(() => new Promise<string>(() => undefined), { maxRetries: 0 });
    const asking = post(whole);
    await until(() => server.calls.length === 1);
    await server.close();
    expect((await asking).status).toBe(502);
  });
});
