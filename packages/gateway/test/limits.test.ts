import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { attributeNames as names } from '@agent-lightning/core';
import { storeLimits } from '@agent-lightning/store';
import { startModelServer } from '@agent-lightning/testing';
import { afterEach, describe, expect, it } from 'vitest';
import type { GatewayLogEntry } from '../src/index.ts';
import { FakeEngine } from './fake-engine.ts';
import { clientFor, onStop, startHarness, stopAll, until, type Harness } from './harness.ts';

afterEach(stopAll);
const body = { model: 'policy', messages: [{ role: 'user' as const, content: 'hi' }] };

/** Asks for a stream over a connection of which nothing is read. */
function askAndNotRead({ endpoint }: Harness): Socket {
  const { hostname, port, host, pathname } = new URL(`${endpoint.baseUrl}/chat/completions`);
  const socket = connect(Number(port), hostname);
  onStop(() => Promise.resolve(void socket.destroy()));
  socket.on('error', () => undefined);
  socket.pause();
  const text = JSON.stringify({ ...body, stream: true });
  socket.write(
    `POST ${pathname} HTTP/1.1\r\nhost: ${host}\r\nx-api-key: ${endpoint.apiKey}\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n${text}`,
  );
  return socket;
}

const word = 'x'.repeat(10_000);
const event = `data: ${JSON.stringify({ id: 'c', choices: [{ index: 0, delta: { content: word }, finish_reason: null }] })}\n\n`;

describe('an agent that does not read its stream', () => {
  it('holds the upstream back, and is given up as what it is', async () => {
    const endless = 1_000_000_000;
    let written = 0;
    const write = (response: ServerResponse): void => {
      while (written < endless && !response.destroyed) {
        written += event.length;
        if (!response.write(event)) return void response.once('drain', () => write(response));
      }
    };
    const server = createServer((request, response) => {
      request.resume();
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      write(response);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onStop(async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    });
    const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
    const harness = await startHarness({ stallTimeoutMs: 1_000 });
    harness.gateway.publish('policy', { kind: 'openai', version: 1, baseUrl, model: 'm' });
    askAndNotRead(harness);
    const { gateway } = harness;
    await until(() => gateway.statistics.calls.incomplete + gateway.statistics.calls.failed === 1);
    // What the sockets between them hold, and no more.
    expect(written).toBeLessThan(endless / 10);
    expect(gateway.statistics.errors).toEqual({ cancelled: 1 });
    const [span] = await harness.finish();
    expect(span?.attributes[names.untrainable]).toContain('the agent read nothing of its reply');
  });

  it('holds the engine back', async () => {
    const endless = 100_000;
    let sampled = 0;
    const harness = await startHarness();
    const engine = new FakeEngine({
      answer: () => [{ pieces: Array.from({ length: endless }, () => [word, 1] as const) }],
      before: () => {
        sampled += 1;
      },
    });
    harness.gateway.publish('policy', { kind: 'engine', version: 1, engine });
    const socket = askAndNotRead(harness);
    let before = -1;
    // Until a whole turn of the event loop brings no further piece, in which the sockets between them are full.
    await until(() => sampled > 0 && before === (before = sampled));
    expect(sampled).toBeLessThan(endless / 10);
    socket.destroy();
    await until(() => harness.gateway.statistics.calls.incomplete === 1);
  });
});

describe('a call whose texts are longer than a span can hold', () => {
  it('is answered and captured with its tokens, and the span names what was left out', async () => {
    const long = 'y'.repeat(storeLimits.attributeCharacters);
    const server = await startModelServer({ respond: () => ({ content: long }) });
    onStop(() => server.close());
    const { gateway, client, finish } = await startHarness();
    gateway.publish('policy', { kind: 'openai', version: 1, baseUrl: server.baseUrl, model: 'm' });
    const image = { type: 'image_url' as const, image_url: { url: `data:image/png;base64,${long}` } };
    const asked = { ...body, messages: [{ role: 'user' as const, content: [image] }] };
    const reply = await client.chat.completions.create(asked);
    expect(reply.choices[0]?.message.content).toHaveLength(long.length);
    const [span] = await finish();
    expect(span?.attributes[names.omitted]).toEqual([names.inputMessages, names.outputMessages]);
    expect(span?.attributes).not.toHaveProperty(names.untrainable);
    expect(span?.tokens?.response.length).toBeGreaterThan(0);
    expect(gateway.statistics.calls.ok).toBe(1);
  });
});

describe('an attempt that is closed', () => {
  it('lets its calls finish for a short grace, though its key is dead at once', async () => {
    const { gateway, client, finish } = await startHarness({ closeGraceMs: 60_000 });
    let goOn = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const engine = new FakeEngine({ before: () => held });
    gateway.publish('policy', { kind: 'engine', version: 1, engine });
    const running = client.chat.completions.create(body);
    await until(() => engine.requests.length === 1);
    const closed = finish();
    await expect(client.chat.completions.create(body)).rejects.toMatchObject({ status: 403 });
    goOn();
    expect((await running).choices[0]?.message.content).toBe('hello world');
    const [span] = await closed;
    expect(span?.attributes).not.toHaveProperty(names.untrainable);
  });
});

describe('a request', () => {
  it('with endless headers is refused before it is read', async () => {
    const { gateway } = await startHarness();
    const { hostname, port, host } = new URL(gateway.url);
    const socket = connect(Number(port), hostname);
    let answer = '';
    socket.on('error', () => undefined).on('data', (piece: Buffer) => (answer += piece.toString()));
    socket.write(`GET /health HTTP/1.1\r\nhost: ${host}\r\nx-long: ${'x'.repeat(40_000)}\r\n\r\n`);
    await once(socket, 'close');
    expect(answer).toMatch(/^HTTP\/1\.1 431/u);
  });
});

describe('what an upstream says about itself', () => {
  it('never brings its key or credentials to the agent, a span or the log', async () => {
    const apiKey = 'sk-canary-of-the-provider';
    const server = await startModelServer({
      respond: () => ({
        fault: {
          type: 'status',
          status: 500,
          body: JSON.stringify({ error: { message: `bad key ${apiKey}`, code: `no ${apiKey}`, param: apiKey } }),
        },
      }),
    });
    onStop(() => server.close());
    const entries: GatewayLogEntry[] = [];
    const { gateway, client, finish } = await startHarness({ maxRetries: 3, log: (entry) => entries.push(entry) });
    const baseUrl = server.baseUrl.replace('http://', 'http://user:canary-password@');
    gateway.publish('policy', { kind: 'openai', version: 1, baseUrl, model: 'm', apiKey });
    const error: unknown = await client.chat.completions.create(body).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ status: 502, message: expect.stringContaining('bad key [key]') });
    expect(entries.map((entry) => entry.event)).toContain('server-left');
    const spans = await finish();
    expect(JSON.stringify([spans, entries, { ...(error as object) }])).not.toContain('canary');
    expect(JSON.stringify(gateway.statistics)).not.toContain('canary');
  });
});

describe('the metrics', () => {
  it('show calls that are not trained on, by reason', async () => {
    const server = await startModelServer({ respond: () => ({ content: 'a b', usage: { completion_tokens: 9 } }) });
    onStop(() => server.close());
    const { gateway, endpoint } = await startHarness();
    gateway.publish('policy', { kind: 'openai', version: 1, baseUrl: server.baseUrl, model: 'm' });
    await clientFor(endpoint).chat.completions.create(body);
    const text = await (await fetch(`${gateway.url}/metrics`)).text();
    expect(text).toMatch(/^agentlightning_gateway_\w*untrainable\w*\{reason="length-mismatch"\} 1$/mu);
    expect(text).toMatch(/^agentlightning_gateway_calls_total\{status="ok"\} 1$/mu);
    expect(text).toMatch(/^agentlightning_gateway_tokens_total\{kind="response"\} 3$/mu);
    expect(text).toMatch(/^agentlightning_gateway_fast_path_total\{result="hit"\} 1$/mu);
    expect(text).toMatch(/^agentlightning_gateway_fast_path_total\{result="miss"\} 0$/mu);
  });
});
