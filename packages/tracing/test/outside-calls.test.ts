import { once } from 'node:events';
import { createServer, request as sendRequest } from 'node:http';
import { connect, createServer as createHttp2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { attributeNames } from '@agent-lightning/core';
import { runInSpan, type ActiveAgent } from '../src/index.ts';
import { recordOutsideCalls, watchOutsideCalls } from '../src/redirect/outside-calls.ts';
import { startRollout, type TestRollout } from './test-rollout.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

async function startServer() {
  const server = createServer((_request, response) => response.end('{}'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { host, origin: `http://${host}`, baseUrl: `http://${host}/rollout/r/v1` };
}

const post = async (url: string): Promise<string> => (await fetch(url, { method: 'POST', body: '{}' })).text();

async function postByHttp(url: string): Promise<void> {
  const request = sendRequest(url, { method: 'POST', headers: { 'user-agent': 'node' } });
  request.end('{}');
  const [response] = (await once(request, 'response')) as [NodeJS.ReadableStream];
  response.resume();
  await once(response, 'end');
}

const inAgent = <Result>(rollout: TestRollout, agent: ActiveAgent, work: () => Result): Result =>
  rollout.run(() => runInSpan({ attemptId: rollout.scope.attempt.attemptId, spanId: '00000000000000aa', agent }, work));

/** What the trace says of the calls: agent, host and count. */
async function countsOf(rollout: TestRollout) {
  recordOutsideCalls(rollout.scope);
  return (await rollout.spans()).map(({ attributes }) => [
    attributes[attributeNames.agentName],
    attributes[attributeNames.outsideHost],
    attributes[attributeNames.outsideCalls],
  ]);
}

it.each([
  '/v1/chat/completions',
  '/v1/messages?beta=true',
  '/v1beta/models/gemini-3:streamGenerateContent?alt=sse',
  '/model/anthropic.claude/converse-stream',
  '/api/chat',
])('counts a POST to %s by agent and host, whichever client sends it', async (path) => {
  watchOutsideCalls();
  const [provider, gateway] = [await startServer(), await startServer()];
  const rollout = await startRollout(gateway);
  await inAgent(rollout, { names: ['plan', 'team/plan'], wrappers: [{}] }, async () => {
    await post(provider.origin + path);
    await postByHttp(provider.origin + path);
  });
  await rollout.run(() => post(provider.origin + path));
  expect(await countsOf(rollout)).toEqual([
    ['plan', provider.host, 2],
    ['', provider.host, 1],
  ]);
});

it('counts nothing else', async () => {
  watchOutsideCalls();
  const [other, gateway] = [await startServer(), await startServer()];
  const [rollout, untrained] = [await startRollout(gateway), await startRollout()];
  const agent = { names: ['plan'], wrappers: [{}] };
  await inAgent(rollout, agent, async () => {
    await fetch(`${other.origin}/v1/messages`);
    await post(`${other.origin}/v1/search`);
    await post(`${other.origin}/channels/7/messages`);
    await post(`${other.origin}/v1/messages/batches/count`);
    await post(`${gateway.baseUrl}/chat/completions`);
  });
  await inAgent(untrained, agent, () => post(`${other.origin}/v1/messages`));
  await post(`${other.origin}/v1/messages`);
  expect([await countsOf(rollout), await countsOf(untrained)]).toEqual([[], []]);
});

it('tells apart agents that keep their model, calls for vectors, and clients by what they call themselves', async () => {
  watchOutsideCalls();
  const [provider, gateway] = [await startServer(), await startServer()];
  const rollout = await startRollout(gateway);
  const url = `${provider.origin}/v1/messages`;
  const agent = { names: ['plan'], wrappers: [{}] };
  const ask = (userAgent: string) =>
    fetch(url, { method: 'POST', body: '{}', headers: { 'user-agent': userAgent } }).then((reply) => reply.text());
  await inAgent(rollout, { ...agent, wrappers: [{ agentMatch: /check/ }] }, () => ask('OpenAI/JS 6.1.0'));
  await inAgent(rollout, { ...agent, wrappers: [] }, () => ask('ai-sdk/anthropic/3.0.2 runtime/node.js/24'));
  await inAgent(rollout, agent, () => ask('Anthropic/JS 0.80.0'));
  await inAgent(rollout, agent, () => post(`${provider.origin}/v1/embeddings`));
  recordOutsideCalls(rollout.scope);
  const counted = (await rollout.spans()).map(({ attributes }) => [
    attributes[attributeNames.agentSelected],
    attributes[attributeNames.outsideClient],
  ]);
  expect(counted).toEqual([
    [false, 'OpenAI/JS'],
    [false, 'ai-sdk/anthropic'],
    [true, 'Anthropic/JS'],
    [false, 'node'],
  ]);
});

it('counts calls over HTTP/2, as AWS’s clients send them', async () => {
  watchOutsideCalls();
  const server = createHttp2Server((_request, response) => response.end('{}'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const session = connect(`http://${host}`);
  cleanups.push(() => (session.destroy(), server.close()));
  const rollout = await startRollout(await startServer());
  await inAgent(rollout, { names: ['plan'], wrappers: [{}] }, async () => {
    const request = session.request({ ':method': 'POST', ':path': '/model/claude/converse' });
    request.end('{}');
    request.resume();
    await once(request, 'end');
  });
  expect(await countsOf(rollout)).toEqual([['plan', host, 1]]);
});
