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

const headers = { 'anthropic-version': '2023-06-01' };
const post = async (url: string): Promise<string> => (await fetch(url, { method: 'POST', body: '{}', headers })).text();

async function postByHttp(url: string): Promise<void> {
  const request = sendRequest(url, { method: 'POST', headers });
  request.end('{}');
  const [response] = (await once(request, 'response')) as [NodeJS.ReadableStream];
  response.resume();
  await once(response, 'end');
}

const inAgent = <Result>(rollout: TestRollout, agent: ActiveAgent, work: () => Result): Result =>
  rollout.run(() => runInSpan({ attemptId: rollout.scope.attempt.attemptId, spanId: '00000000000000aa', agent }, work));

/** What the trace says of the calls: agent, host, dialect and count. */
async function countsOf(rollout: TestRollout) {
  recordOutsideCalls(rollout.scope);
  return (await rollout.spans()).map(({ attributes }) => [
    attributes[attributeNames.agentName],
    attributes[attributeNames.outsideHost],
    attributes[attributeNames.outsideDialect],
    attributes[attributeNames.outsideCalls],
  ]);
}

it.each([
  ['/v1/chat/completions', 'openai'],
  ['/v1/messages?beta=true', 'anthropic'],
  ['/v1beta/models/gemini-3:streamGenerateContent?alt=sse', 'google'],
  ['/v1/projects/p/locations/l/publishers/anthropic/models/claude:rawPredict', 'google'],
  ['/model/anthropic.claude/converse-stream', 'amazon'],
  ['/api/chat', 'ollama'],
  ['/v2/chat', 'cohere'],
])('counts a POST to %s by agent and host, whichever client sends it', async (path, dialect) => {
  watchOutsideCalls();
  const [provider, gateway] = [await startServer(), await startServer()];
  const rollout = await startRollout(gateway);
  await inAgent(rollout, { names: ['plan', 'team/plan'], wrappers: [{}] }, async () => {
    await post(provider.origin + path);
    await postByHttp(provider.origin + path);
  });
  await rollout.run(() => post(provider.origin + path));
  expect(await countsOf(rollout)).toEqual([
    ['plan', provider.host, dialect, 2],
    ['', provider.host, dialect, 1],
  ]);
});

it('counts calls over HTTP/2, which Amazon’s clients use', async () => {
  watchOutsideCalls();
  const server = createHttp2Server((_request, response) => response.end('{}'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const session = connect(`http://${host}`);
  cleanups.push(() => {
    session.destroy();
    server.close();
  });
  const rollout = await startRollout(await startServer());
  await inAgent(rollout, { names: ['plan'], wrappers: [{}] }, async () => {
    const stream = session.request({ ':method': 'POST', ':path': '/model/anthropic.claude/converse' });
    stream.end('{}');
    stream.resume();
    await once(stream, 'end');
  });
  expect(await countsOf(rollout)).toEqual([['plan', host, 'amazon', 1]]);
});

it('counts nothing else', async () => {
  watchOutsideCalls();
  const [other, gateway] = [await startServer(), await startServer()];
  const [rollout, untrained] = [await startRollout(gateway), await startRollout()];
  const agent = { names: ['plan'], wrappers: [{}] };
  await inAgent(rollout, agent, async () => {
    await fetch(`${other.origin}/v1/messages`);
    await post(`${other.origin}/v1/search`);
    await (await fetch(`${other.origin}/channels/7/messages`, { method: 'POST', body: '{"content":"hello"}' })).text();
    await post(`${other.origin}/v1/messages/batches/count`);
    await post(`${gateway.baseUrl}/chat/completions`);
  });
  await inAgent(rollout, { ...agent, wrappers: [{ agentMatch: /check/ }] }, () => post(`${other.origin}/v1/messages`));
  await inAgent(rollout, { ...agent, wrappers: [] }, () => post(`${other.origin}/v1/messages`));
  await inAgent(untrained, agent, () => post(`${other.origin}/v1/messages`));
  await post(`${other.origin}/v1/messages`);
  expect([await countsOf(rollout), await countsOf(untrained)]).toEqual([[], []]);
});
