/** Rollouts whose agents share a limiter: what is bound reaches its own rollout, and what is not is named and not trained on. */
import { withLightning as withAiSdk } from '@agent-lightning/ai-sdk';
import type { Rollout } from '@agent-lightning/core';
import { Gateway } from '@agent-lightning/gateway';
import { withLightning as withLangGraph } from '@agent-lightning/langgraph';
import { withLightning as withMastra } from '@agent-lightning/mastra';
import { withLightning as withOpenAIAgents } from '@agent-lightning/openai-agents';
import { RolloutCollector } from '@agent-lightning/run';
import { MemoryStore } from '@agent-lightning/store';
import { startModelServer } from '@agent-lightning/testing';
import { bindToRollout, runInRollout, TraceRecorder } from '@agent-lightning/tracing';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { MessagesAnnotation, START, StateGraph } from '@langchain/langgraph';
import { ChatOpenAI } from '@langchain/openai';
import { Agent as MastraAgent } from '@mastra/core/agent';
import { Agent as OpenAIAgent, OpenAIChatCompletionsModel, run } from '@openai/agents';
import { ToolLoopAgent } from 'ai';
import OpenAI from 'openai';
import { afterAll, afterEach, expect, it } from 'vitest';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

type Fetch = typeof fetch;
type Ask = (question: string) => Promise<unknown>;

/** Returns a `fetch` that makes one request at a time, and begins the next one where the one before has ended, as many queues do. */
function limitedFetch(bind: <Work extends () => Promise<Response>>(work: Work) => () => Promise<Response>): Fetch {
  const waiting: (() => void)[] = [];
  let isBusy = false;
  const next = (): void => {
    const start = waiting.shift();
    isBusy = start !== undefined;
    start?.();
  };
  return (input, init) =>
    new Promise((resolve, reject) => {
      const work = bind(() => fetch(input, init));
      waiting.push(() => void work().then(resolve, reject).finally(next));
      if (!isBusy) next();
    });
}

const ownServer = await startModelServer({
  respond: (_request, { index }) => ({ id: `own-${index}`, content: 'own' }),
});
afterAll(() => ownServer.close());
const model = { baseURL: ownServer.baseUrl, apiKey: 'own-key' };

function askAiSdk(fetch: Fetch): Ask {
  const provider = createOpenAICompatible({ name: 'own', ...model, fetch });
  const agent = withAiSdk(new ToolLoopAgent({ model: provider('own-model'), maxRetries: 0 }));
  return (prompt) => agent.generate({ prompt });
}

function askLangGraph(fetch: Fetch): Ask {
  const llm = new ChatOpenAI({
    model: 'own-model',
    apiKey: model.apiKey,
    maxRetries: 0,
    configuration: { baseURL: model.baseURL, fetch },
  });
  const graph = new StateGraph(MessagesAnnotation)
    .addNode('write', async ({ messages }) => ({ messages: [await llm.invoke(messages)] }))
    .addEdge(START, 'write')
    .compile();
  const agent = withLangGraph(graph);
  return (content) => agent.invoke({ messages: [{ role: 'user', content }] });
}

function askOpenAIAgents(fetch: Fetch): Ask {
  const client = new OpenAI({ ...model, maxRetries: 0, fetch });
  const agent = withOpenAIAgents(
    new OpenAIAgent({ name: 'writer', model: new OpenAIChatCompletionsModel(client as never, 'own-model') }),
  );
  return (question) => run(agent, question);
}

function askMastra(fetch: Fetch): Ask {
  const own = createOpenAICompatible({ name: 'own', ...model, fetch })('own-model');
  const settings = { id: 'writer', name: 'writer', instructions: 'Write.', model: own, maxRetries: 0 };
  const agent = withMastra(new MastraAgent(settings as never));
  return (question) => agent.generate(question);
}

/** Runs four rollouts at once and reads their episodes. */
async function runRollouts(ask: Ask) {
  const store = new MemoryStore();
  const upstream = await startModelServer({
    respond: (_request, { index }) => ({ id: `reply-${index}`, content: 'hello' }),
  });
  const gateway = await Gateway.start({ store });
  cleanups.push(
    () => upstream.close(),
    () => store.close(),
    () => gateway.close(),
  );
  gateway.publish('policy', { kind: 'openai', version: 1, baseUrl: upstream.baseUrl, model: 'served' });
  await store.enqueue(
    Array.from({ length: 4 }, (_, index) => ({ input: `question ${index}`, mode: 'train' as const })),
  );
  const claims = await store.claim({ workerId: 'test', limit: 4, leaseMs: 600_000 });
  const work = async (claim: (typeof claims)[number]): Promise<Rollout> => {
    const llm = await gateway.openAttempt(claim);
    const recorder = new TraceRecorder({ store, lease: claim.lease });
    const scope = { ...claim, llm, recorder, resources: {}, signal: new AbortController().signal };
    await runInRollout(scope, () => ask(String(claim.rollout.input)));
    await recorder.close();
    return claim.rollout;
  };
  const rollouts = await Promise.all(claims.map(work));
  for (const claim of claims) await gateway.closeAttempt(claim);
  const options = { runId: 'r', retry: {}, attemptTimeoutMs: 1_000, resumed: false, policies: ['policy'] };
  return await new RolloutCollector({ store, ...options }).readEpisodes(rollouts);
}

const frameworks = [
  ['AI SDK', askAiSdk],
  ['LangGraph', askLangGraph],
  ['OpenAI Agents', askOpenAIAgents],
  ['Mastra', askMastra],
] as const;

it.each(frameworks)('keeps every call in its rollout that is bound: %s', async (_name, create) => {
  const episodes = await runRollouts(create(limitedFetch(bindToRollout)));
  expect(ownServer.calls).toEqual([]);
  expect(episodes.map(({ transitions, untrainable }) => [transitions.length, untrainable])).toEqual(
    Array(4).fill([1, []]),
  );
});

it.each(frameworks)(
  'names the calls that a limiter started elsewhere, and trains on none of them: %s',
  async (name, create) => {
    const ownCalls = ownServer.calls.length;
    const episodes = await runRollouts(create(limitedFetch((work) => work)));
    const trained = episodes.map(({ transitions }) => transitions.length);
    const strayed = episodes.flatMap(({ untrainable }) => untrainable);
    // The first request waits for none, so it is its own rollout's; each of the others began where the one before had ended: it is named there, and
    // where it was made. The OpenAI Agents SDK may have left that run by then: such a call goes to the own model, and is named by its rollout alone.
    expect(trained.toSorted()).toEqual([0, 0, 0, 1]);
    const reasons = strayed.map(({ reason }) => reason);
    const toOwnModel = ownServer.calls.length - ownCalls;
    expect(reasons.filter((reason) => reason.includes('bindToRollout'))).toHaveLength(3 - toOwnModel);
    if (name !== 'OpenAI Agents') expect(toOwnModel).toBe(0);
    expect(reasons.filter((reason) => reason === 'the call did not go through the gateway')).toHaveLength(3);
  },
);
