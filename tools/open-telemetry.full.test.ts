/** One rollout of each framework over a gateway, in an app with the official SDK: the same story in each. */
import { withLightning as withAiSdk } from '@agent-lightning/ai-sdk';
import { Gateway } from '@agent-lightning/gateway';
import { withLightning as withLangGraph } from '@agent-lightning/langgraph';
import { withLightning as withMastra } from '@agent-lightning/mastra';
import { withLightning as withOpenAIAgents } from '@agent-lightning/openai-agents';
import { Runner } from '@agent-lightning/runner';
import { MemoryStore } from '@agent-lightning/store';
import { startModelServer } from '@agent-lightning/testing';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { tool as langChainTool } from '@langchain/core/tools';
import { ChatOpenAI } from '@langchain/openai';
import { Agent as MastraAgent } from '@mastra/core/agent';
import { noopLogger } from '@mastra/core/logger';
import { createTool } from '@mastra/core/tools';
import {
  Agent as OpenAIAgent,
  OpenAIChatCompletionsModel,
  run,
  setTracingDisabled,
  tool as openAITool,
} from '@openai/agents';
import { tool as aiTool, ToolLoopAgent } from 'ai';
import { createAgent } from 'langchain';
import OpenAI from 'openai';
import { expect, it, vi } from 'vitest';
import { z } from 'zod';
import { registerSdk } from '../packages/runner/test/telemetry-sdk.ts';

vi.spyOn(console, 'warn').mockReturnValue(undefined);
(globalThis as { AI_SDK_LOG_WARNINGS?: boolean }).AI_SDK_LOG_WARNINGS = false;
setTracingDisabled(false); // Vitest's NODE_ENV turns it off

/** Nobody listens here: the redirect takes every call to the gateway. */
const baseURL = 'http://127.0.0.1:9/v1';
const schema = z.object({ key: z.string() });
const description = 'Looks up.';
const found = 'a secret value';
const provider = createOpenAICompatible({ name: 'own', baseURL });

async function askLangChain(question: string): Promise<unknown> {
  const model = new ChatOpenAI({ model: 'own-model', apiKey: 'own', maxRetries: 0, configuration: { baseURL } });
  const lookup = langChainTool(() => found, { name: 'lookup', description, schema });
  const agent = withLangGraph(createAgent({ model, tools: [lookup], name: 'helper' }));
  return await agent.invoke({ messages: [{ role: 'user', content: question }] });
}

async function askAiSdk(prompt: string): Promise<unknown> {
  const lookup = aiTool({ description, inputSchema: schema, execute: async () => found });
  const agent = new ToolLoopAgent({ id: 'helper', model: provider('own-model'), tools: { lookup }, maxRetries: 0 });
  return await withAiSdk(agent).generate({ prompt });
}

async function askOpenAIAgents(question: string): Promise<unknown> {
  const client = new OpenAI({ baseURL, apiKey: 'own', maxRetries: 0, fetch: (...call) => fetch(...call) });
  const model = new OpenAIChatCompletionsModel(client as never, 'own-model');
  const lookup = openAITool({ name: 'lookup', description, parameters: schema, execute: async () => found });
  return await run(withOpenAIAgents(new OpenAIAgent({ name: 'helper', model, tools: [lookup] })), question);
}

async function askMastra(question: string): Promise<unknown> {
  const lookup = createTool({ id: 'lookup', description, inputSchema: schema, execute: async () => ({ found }) });
  const model = provider('own-model') as never;
  const options = { id: 'helper', name: 'helper', instructions: 'You help.', model, tools: { lookup }, maxRetries: 0 };
  const agent = new MastraAgent(options);
  agent.__setLogger(noopLogger);
  return await withMastra(agent).generate(question);
}

it.each([
  ['LangGraph', askLangChain],
  ['AI SDK', askAiSdk],
  ['OpenAI Agents', askOpenAIAgents],
  ['Mastra', askMastra],
])('shows agent, calls and tool of %s, each once and below its agent, without a text', async (_name, ask) => {
  const sdk = registerSdk();
  const server = await startModelServer({
    respond: ({ messages }, { index }) =>
      messages.some(({ role }) => role === 'tool')
        ? { id: `p${index}`, content: 'done' }
        : { id: `p${index}`, toolCalls: [{ name: 'lookup', arguments: { key: 'secret' } }] },
  });
  const store = new MemoryStore();
  const gateway = await Gateway.start({ store });
  gateway.publish('policy', { kind: 'openai', version: 2, baseUrl: server.baseUrl, model: 'served' });
  const runner = new Runner({
    store,
    gateway,
    rollout: async () => {
      await ask('the secret question');
      return 1;
    },
  });
  const [queued] = await store.enqueue([{ input: null }]);
  const running = runner.run();
  const [ended] = await store.waitFor([queued!.rolloutId]);
  await runner.stop();
  await running;
  await Promise.all([gateway.close(), store.close(), server.close()]);
  const spans = sdk.spans.getFinishedSpans();
  await sdk.close();
  expect(ended!.failure).toBeUndefined();
  const own = spans.filter(
    ({ instrumentationScope }) => instrumentationScope.name === '@agent-lightning/observability',
  );
  const byId = new Map(own.map((span) => [span.spanContext().spanId, span]));
  const pathOf = (span: (typeof own)[number] | undefined): readonly string[] =>
    span === undefined ? [] : [...pathOf(byId.get(span.parentSpanContext?.spanId ?? '')), span.name];
  const calls = own.filter(({ name }) => name.startsWith('chat '));
  expect(calls.map(({ attributes }) => attributes['agentlightning.policy.version'])).toEqual([2, 2]);
  const tools = own.filter(({ name }) => name === 'execute_tool lookup');
  expect(tools).toHaveLength(1);
  for (const span of [...calls, ...tools]) {
    expect(pathOf(span)[0]).toBe('rollout');
    expect(pathOf(span)).toContain('invoke_agent helper');
  }
  expect(JSON.stringify(own.map(({ attributes, status }) => [attributes, status]))).not.toContain('secret');
});
