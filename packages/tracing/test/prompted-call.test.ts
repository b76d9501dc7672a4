import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { attributeNames } from '@agent-lightning/core';
import {
  FrameworkRuns,
  installFetchRedirect,
  runInRollout,
  runInSpan,
  promptKit,
  type ActiveAgent,
  type FoundPrompt,
} from '../src/index.ts';
import { startRollout, type TestRollout } from './test-rollout.ts';

const nodeFetch = globalThis.fetch;
const cleanups: (() => unknown)[] = [];
beforeEach(() => void cleanups.push(installFetchRedirect()));
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** Sends a call as undici's own clients do. */
async function dispatch(options: object): Promise<void> {
  const dispatcher = (globalThis as unknown as Record<symbol, { dispatch(options: object, handler: object): void }>)[
    Symbol.for('undici.globalDispatcher.1')
  ]!;
  await new Promise<void>((resolve, reject) => {
    const handler = { onConnect: () => undefined, onHeaders: () => true, onData: () => true };
    dispatcher.dispatch(options, { ...handler, onComplete: () => resolve(), onError: reject });
  });
}

/** A server that echoes the body, and keeps what it received. */
async function startServer() {
  const received: { readonly headers: IncomingMessage['headers']; readonly body: string; readonly bytes: Buffer }[] =
    [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const bytes = Buffer.concat(chunks);
    const body = bytes.toString();
    received.push({ headers: request.headers, body, bytes });
    response.end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { received, baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1` };
}

const system: FoundPrompt = { name: 'write/system', kind: 'system', agent: 'write', text: 'Write.', slots: [] };
const tool: FoundPrompt = { name: 'tool:find/description', kind: 'tool', tool: 'find', text: 'Finds.', slots: [] };

const body = '{"model":"own","temperature":1.0, "messages":[{"role":"system","content":"Write."}]}';
const changed = body.replace('Write.', 'Write well.');

async function startPrompted(texts: Readonly<Record<string, string>>, llm?: { readonly baseUrl: string }) {
  const rollout = await startRollout(llm);
  const scope = { ...rollout.scope, resources: promptKit.toPromptResources([system, tool], texts) };
  return { ...rollout, scope, run: <Result>(work: () => Result): Result => runInRollout(scope, work) };
}

const write: ActiveAgent = { names: ['write', 'a/write'], wrappers: [{}] };

function inAgent<Result>(rollout: TestRollout, agent: ActiveAgent, work: () => Result): Result {
  const { attemptId } = rollout.scope.attempt;
  return rollout.run(() => runInSpan({ attemptId, spanId: '00000000000000aa', agent }, work));
}

describe('a model call of a rollout that has texts for found prompts', () => {
  it('goes to its own model, with its key, and the text in the place of the prompt', async () => {
    const own = await startServer();
    const rollout = await startPrompted({ 'write/system': 'Write well.' });
    const headers = { authorization: 'Bearer own', 'content-length': String(body.length) };
    const post = { method: 'POST', headers, body };
    await inAgent(rollout, write, () => fetch(`${own.baseUrl}/chat/completions`, post));
    expect(own.received[0]).toMatchObject({ body: changed, headers: { authorization: 'Bearer own' } });
    expect(Object.keys(own.received[0]!.headers)).not.toContain('traceparent');
    const [span] = await rollout.spans('object');
    expect(span?.attributes[attributeNames.promptName]).toEqual(['write/system']);
    expect(span?.parentSpanId).toBe('00000000000000aa');
  });

  it.each([
    ['bytes', () => ({ body: new TextEncoder().encode(body) })],
    ['a buffer', () => ({ body: new TextEncoder().encode(body).buffer })],
    ['a blob', () => ({ body: new Blob([body]) })],
  ])('is changed where its body is %s', async (_, init) => {
    const own = await startServer();
    const rollout = await startPrompted({ 'write/system': 'Write well.' });
    await inAgent(rollout, write, () => fetch(`${own.baseUrl}/chat/completions`, { method: 'POST', ...init() }));
    expect(own.received.map((call) => call.body)).toEqual([changed]);
  });

  it('is changed where it is a request, and where its client kept the fetch from before', async () => {
    const own = await startServer();
    const rollout = await startPrompted({ 'write/system': 'Write well.' });
    const url = `${own.baseUrl}/chat/completions`;
    await inAgent(rollout, write, () => fetch(new Request(url, { method: 'POST', body, headers: { 'x-kept': '1' } })));
    await inAgent(rollout, write, () => nodeFetch(url, { method: 'POST', body, headers: { 'x-kept': '1' } }));
    expect(own.received.map((call) => [call.body, call.headers['x-kept']])).toEqual([
      [changed, '1'],
      [changed, '1'],
    ]);
    // Each call is dealt with once, though fetch and the dispatcher both see it.
    expect(await rollout.spans('object')).toHaveLength(2);
  });

  it('keeps its bytes where they are compressed, by fetch and by the fetch from before', async () => {
    const own = await startServer();
    const rollout = await startPrompted({ 'write/system': 'Write well.' });
    const call = { method: 'POST', body: gzipSync(body), headers: { 'content-encoding': 'gzip' } };
    for (const ask of [fetch, nodeFetch])
      await inAgent(rollout, write, () => ask(`${own.baseUrl}/chat/completions`, call));
    expect(own.received.map(({ bytes }) => gunzipSync(bytes).toString())).toEqual([body, body]);
  });

  it.each([
    ['a flat list', ['x-kept', '1', 'content-length', String(body.length)]],
    ['a list with several values', ['x-kept', ['1']]],
    ['pairs', new Map([['x-kept', '1']])],
    ['an object with what is not set', { 'x-kept': '1', 'x-unset': undefined }],
  ])('is changed where its headers are %s', async (_, headers) => {
    const own = await startServer();
    const rollout = await startPrompted({ 'write/system': 'Write well.' });
    const origin = new URL(own.baseUrl).origin;
    await inAgent(rollout, write, () =>
      dispatch({ origin, path: '/v1/chat/completions', method: 'POST', headers, body }),
    );
    expect(own.received).toMatchObject([{ body: changed, headers: { 'x-kept': '1' } }]);
    expect(Object.keys(own.received[0]!.headers)).not.toContain('x-unset');
  });

  it('is changed on its way to the policy, too', async () => {
    const policy = await startServer();
    const rollout = await startPrompted({ 'write/system': 'Write well.' }, policy);
    const post = { method: 'POST', body };
    await inAgent(rollout, write, () => fetch('https://elsewhere.example/v1/chat/completions', post));
    await inAgent(rollout, write, () => fetch(`${policy.baseUrl}/chat/completions`, post));
    expect(policy.received.map((call) => call.body)).toEqual([changed.replace('own', 'policy'), changed]);
  });

  it('stays as it is where the agent is another one, is not selected, or has none of the prompts', async () => {
    const own = await startServer();
    const rollout = await startPrompted({ 'write/system': 'Write well.', 'tool:find/description': 'Finds all.' });
    const url = `${own.baseUrl}/chat/completions`;
    const other = { names: ['check'], wrappers: [{}] };
    await inAgent(rollout, other, () => fetch(url, { method: 'POST', body }));
    await inAgent(rollout, { ...write, wrappers: [] }, () => fetch(url, { method: 'POST', body }));
    await inAgent(rollout, { ...write, wrappers: [{ agentMatch: 'check' }] }, () =>
      fetch(url, { method: 'POST', body }),
    );
    await rollout.run(() => fetch(url, { method: 'POST', body }));
    await inAgent(rollout, write, () => fetch(url, { method: 'POST', body: '{"messages":[]}' }));
    expect(own.received.map((call) => call.body)).toEqual([body, body, body, body, '{"messages":[]}']);
    const missing = (await rollout.spans('object')).map(({ attributes }) => attributes[attributeNames.promptMissing]);
    expect(missing).toEqual([['tool:find/description'], ['write/system', 'tool:find/description']]);
  });

  it('never has the text of another rollout that runs at the same time', async () => {
    const own = await startServer();
    const ask = async (index: number): Promise<void> => {
      const rollout = await startPrompted({ 'write/system': `Write ${index}.` });
      await inAgent(rollout, write, async () => {
        for (let turn = 0; turn < 3; turn += 1) {
          const response = await fetch(`${own.baseUrl}/chat/completions`, { method: 'POST', body });
          expect(await response.text()).toBe(body.replace('Write.', `Write ${index}.`));
        }
      });
    };
    await Promise.all(Array.from({ length: 20 }, (_, index) => ask(index)));
    expect(own.received).toHaveLength(60);
  });

  it('leaves its texts in the trace of a rollout that watches for prompts', async () => {
    const own = await startServer();
    const rollout = await startRollout();
    const scope = { ...rollout.scope, resources: promptKit.toWatchResources(['system', 'tool']) };
    const watching = { ...rollout, run: <Result>(work: () => Result): Result => runInRollout(scope, work) };
    await inAgent(watching, write, () => fetch(`${own.baseUrl}/chat/completions`, { method: 'POST', body }));
    expect(own.received[0]?.body).toBe(body);
    const [span] = await rollout.spans('object');
    expect(JSON.parse(String(span?.attributes[attributeNames.promptPlaces]))).toEqual([
      { kind: 'system', text: 'Write.' },
    ]);
    expect(span?.attributes[attributeNames.agentNames]).toEqual(['write', 'a/write']);
  });
});

describe('a model call of an agent that serves prompts in production', () => {
  const serve = (text: string) => {
    return { version: 1, resources: promptKit.toPromptResources([system], { 'write/system': text }) };
  };
  const nothing = { version: undefined, resources: {} };

  it.each([
    ['with nothing to serve', { prompts: nothing }],
    ['for another agent', { agentMatch: 'check', prompts: serve('Check.') }],
  ])('has the prompts of a wrapper further out when the innermost is one %s', async (_, inner) => {
    const own = await startServer();
    const runs = new FrameworkRuns<undefined>();
    const wrappers = [inner, { prompts: serve('Write well.'), agentMatch: 'write' }];
    const describe = () => ({ span: { kind: 'agent', name: 'write' }, names: ['write'], detail: undefined }) as const;
    runs.begin({ id: 'a', wrappers, describe });
    await runs.inside('a', () => fetch(`${own.baseUrl}/chat/completions`, { method: 'POST', body }));
    runs.end('a');
    expect(own.received.map((call) => call.body)).toEqual([changed]);
  });
});
