import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toSftRows, toTasks } from '@agent-lightning/capture';
import { Gateway } from '@agent-lightning/gateway';
import { openSqliteStore } from '@agent-lightning/store-sqlite';
import { startModelServer } from '@agent-lightning/testing';
import { tool } from '@langchain/core/tools';
import { Annotation, END, START, StateGraph } from '@langchain/langgraph';
import { createReactAgent } from '@langchain/langgraph/prebuilt';
import { ChatOpenAI } from '@langchain/openai';
import { afterEach, expect, it } from 'vitest';
import { z } from 'zod';
import { toEpisode, type ModelGateway } from '@agent-lightning/core';
import { withLightning } from '../src/index.ts';
import { captureInto } from '../../capture/test/capture-harness.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

const canary = 'bob@example.com';
const State = Annotation.Root({ question: Annotation<string>, answer: Annotation<string> });

/** An agent as a user has it, and a SQLite store. */
async function setUp() {
  const folder = await mkdtemp(join(tmpdir(), 'live-traffic-'));
  const store = await openSqliteStore({ path: join(folder, 'store.sqlite') });
  const upstream = await startModelServer({ respond: ['SELECT 1', 'SELECT 1'] });
  cleanups.push(
    () => rm(folder, { recursive: true, force: true }),
    () => store.close(),
    () => upstream.close(),
  );
  const model = new ChatOpenAI({
    model: 'own-model',
    apiKey: 'own-key',
    maxRetries: 0,
    configuration: { baseURL: upstream.baseUrl },
  });
  const graph = new StateGraph(State)
    .addNode('write', async ({ question }) => ({ answer: (await model.invoke(question)).text }))
    .addEdge(START, 'write')
    .addEdge('write', END)
    .compile();
  return { folder, store, upstream, agent: withLightning(graph) };
}

async function openGateway(spanStore: Parameters<typeof Gateway.start>[0]['store'], baseUrl: string): Promise<Gateway> {
  const gateway = await Gateway.start({ store: spanStore, sampling: { test: { temperature: 'agent' } } });
  cleanups.push(() => gateway.close());
  gateway.publish('policy', { kind: 'openai', version: 3, baseUrl, model: 'served-model' });
  return gateway;
}

it('records a wrapped agent with its own model, and leaves its answer alone', async () => {
  const { store, agent, upstream } = await setUp();
  const { capture, exported } = captureInto({ store });
  const { result } = await capture.run({ question: 'q' }, () => agent.invoke({ question: 'q' }));
  expect(result.answer).toBe('SELECT 1');
  expect(upstream.calls).toMatchObject([{ body: { model: 'own-model' } }]);
  const [captured] = await exported();
  expect(captured!.spans.map(({ kind, name }) => `${kind} ${name}`)).toContain('agent write');
  expect(captured!.spans.some(({ kind }) => kind === 'model_call')).toBe(true);
  expect(toTasks([captured!])).toEqual([{ task: { question: 'q' }, rolloutIds: [captured!.rollout.rolloutId] }]);
});

it('keeps messages and tokens of calls through a gateway, and gives them to training', async () => {
  const { store, agent, upstream } = await setUp();
  const { capture, exported, errors } = captureInto({ store });
  const gateway = await openGateway(capture.spanStore, upstream.baseUrl);
  const { rolloutId } = await capture.run('q', () => agent.invoke({ question: 'q' }), { gateway });
  expect(await capture.reward(rolloutId, 1)).toBe('stored');
  const [captured] = await exported();
  expect(toSftRows([captured!]).rows).toMatchObject([
    { agentName: 'write', reward: 1, messages: [{ role: 'user', content: 'q' }, { content: 'SELECT 1' }] },
  ]);
  const episode = toEpisode(captured!.rollout, captured!.spans);
  expect(episode.transitions).toMatchObject([{ agentName: 'write', policy: 'policy', policyVersion: 3 }]);
  expect(episode.transitions[0]!.responseIds.length).toBeGreaterThan(0);
  expect(errors).toEqual([]);
});

it('gives one conversation for an agent that was asked twice, though LangChain sends its answer back in other words', async () => {
  const { store } = await setUp();
  const { capture, exported } = captureInto({ store });
  const upstream = await startModelServer({
    respond: ({ messages }) =>
      messages.at(-1)?.role === 'tool' ? 'done' : { toolCalls: [{ name: 'lookup', arguments: { key: 'k' } }] },
  });
  cleanups.push(() => upstream.close());
  const model = new ChatOpenAI({ model: 'own', apiKey: 'k', configuration: { baseURL: upstream.baseUrl } });
  const lookup = tool(() => 'found', { name: 'lookup', description: 'd', schema: z.object({ key: z.string() }) });
  const agent = withLightning(createReactAgent({ llm: model, tools: [lookup], name: 'helper' }));
  const gateway = await openGateway(capture.spanStore, upstream.baseUrl);
  await capture.run('q', () => agent.invoke({ messages: 'q' }), { gateway });
  expect(upstream.calls).toHaveLength(2);
  const { rows } = toSftRows(await exported());
  expect(rows.map(({ agentName, messages }) => [agentName, messages.map(({ role }) => role)])).toEqual([
    ['helper', ['user', 'assistant', 'tool', 'assistant']],
  ]);
});

it('leaves no redacted text in the files of the store, neither from the agent nor from the gateway', async () => {
  const { folder, store, agent, upstream } = await setUp();
  const { capture, exported } = captureInto({ store, redact: (text) => text.replaceAll(canary, '[email]') });
  const gateway = await openGateway(capture.spanStore, upstream.baseUrl);
  await capture.run({ question: `Who is ${canary}?` }, () => agent.invoke({ question: `Who is ${canary}?` }), {
    gateway,
  });
  expect(JSON.stringify(upstream.calls.map(({ body }) => body))).toContain(canary); // the agent was not redacted
  const [captured] = await exported();
  expect(JSON.stringify(captured!.spans)).toContain('Who is [email]?');
  expect(captured!.spans.filter(({ tokens }) => tokens !== undefined)).toEqual([]);
  for (const file of await readdir(folder)) expect(await readFile(join(folder, file), 'latin1')).not.toContain(canary);
});

it('answers every request while the store and the gateway do not', async () => {
  const { store, agent } = await setUp();
  const { capture, errors } = captureInto({ store, gatewayTimeoutMs: 20 });
  const never: ModelGateway = { openAttempt: () => new Promise(() => undefined), closeAttempt: async () => undefined };
  const broken: ModelGateway = {
    openAttempt: async () => {
      throw new TypeError('no gateway');
    },
    closeAttempt: async () => undefined,
  };
  await store.close();
  for (const gateway of [never, broken]) {
    const { result } = await capture.run('q', () => agent.invoke({ question: 'q' }), { gateway });
    expect(result.answer).toBe('SELECT 1');
  }
  const { dropped, stored } = await capture.close({ timeoutMs: 60_000 });
  expect({ stored, refused: dropped['store-refused'] }).toEqual({ stored: 0, refused: 2 });
  expect(errors.map(({ code }) => code)).toEqual(expect.arrayContaining(['timed-out', 'store-closed']));
});
