/** Agents on Anthropic's clients, in each framework: their calls reach the policy through a real gateway, and nothing reaches their own provider. */
import { withLightning as withAiSdk } from '@agent-lightning/ai-sdk';
import { attributeNames, type JsonValue, type Span } from '@agent-lightning/core';
import { Gateway } from '@agent-lightning/gateway';
import { withLightning as withLangGraph } from '@agent-lightning/langgraph';
import { withLightning as withMastra } from '@agent-lightning/mastra';
import { withLightning as withOpenAIAgents } from '@agent-lightning/openai-agents';
import { Runner, type RolloutContext } from '@agent-lightning/runner';
import { MemoryStore } from '@agent-lightning/store';
import { startModelServer, type ModelServer, type Responder } from '@agent-lightning/testing';
import { createAnthropic } from '@ai-sdk/anthropic';
import { createGoogleGenerativeAI } from '@ai-sdk/google';
import { createOpenAI } from '@ai-sdk/openai';
import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI } from '@google/genai';
import { ChatAnthropic } from '@langchain/anthropic';
import { HumanMessage } from '@langchain/core/messages';
import { tool as langchainTool } from '@langchain/core/tools';
import { END, MessagesAnnotation, START, StateGraph } from '@langchain/langgraph';
import { createReactAgent } from '@langchain/langgraph/prebuilt';
import { Agent as MastraAgent } from '@mastra/core/agent';
import { noopLogger } from '@mastra/core/logger';
import { createTool } from '@mastra/core/tools';
import { Agent as OpenAIAgent, run, tool as openaiTool, type Model } from '@openai/agents';
import { aisdk } from '@openai/agents-extensions/ai-sdk';
import { generateText, jsonSchema, stepCountIs, streamText, tool, ToolLoopAgent } from 'ai';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).toReversed()) await stop();
});

/** The policy asks for the tool first, and answers with what it gave. */
const policy: Responder = ({ messages }) => {
  const result = messages.find(({ role }) => role === 'tool');
  return result === undefined
    ? { content: 'Let me look.', toolCalls: [{ name: 'lookup', arguments: { key: 'k1' } }] }
    : { content: `It is ${String(result.content)}.` };
};

async function startServer(respond: Responder): Promise<ModelServer> {
  const server = await startModelServer({ respond });
  stops.push(() => server.close());
  return server;
}

interface Ran {
  readonly answer: JsonValue;
  readonly spans: readonly Span[];
  /** Counts the calls that the agent's own provider got. */
  readonly ownCalls: number;
}

/** Runs an agent once, in a rollout of a runner with a gateway. */
async function runOnce(
  agent: (own: { readonly baseURL: string; readonly apiKey: string }, context: RolloutContext) => Promise<JsonValue>,
  respond: Responder = policy,
): Promise<Ran> {
  const [own, upstream] = [await startServer(policy), await startServer(respond)];
  const store = new MemoryStore();
  const gateway = await Gateway.start({ store });
  stops.push(async () => {
    await gateway.close();
    await store.close();
  });
  gateway.publish('policy', { kind: 'openai', version: 3, baseUrl: upstream.baseUrl, model: 'policy-v3' });
  let answer: JsonValue = null;
  const runner: Runner = new Runner({
    store,
    gateway,
    onError: (error) => {
      throw error;
    },
    rollout: async (_task, context) => {
      answer = await agent({ baseURL: new URL(own.baseUrl).origin, apiKey: 'own-key' }, context);
      return 1;
    },
  });
  const [queued] = await store.enqueue([{ input: null }]);
  const running = runner.run();
  const [rollout] = await store.waitFor([queued!.rolloutId]);
  await runner.stop();
  await running;
  expect(rollout?.failure).toBeUndefined();
  const spans = await store.querySpans({ rolloutIds: [queued!.rolloutId], includeTokens: true });
  return { answer, spans, ownCalls: own.calls.length };
}

/** Checks that both calls were captured in Anthropic's dialect with their tokens, and that none went elsewhere. */
function expectTrained({ answer, spans, ownCalls }: Ran): void {
  expect(answer).toBe('It is v-k1.');
  const captured = spans.filter(({ attributes }) => attributes[attributeNames.dialect] !== undefined);
  expect(captured.map(({ attributes }) => attributes[attributeNames.dialect])).toEqual(['messages', 'messages']);
  expect(captured.every(({ tokens }) => (tokens?.response.length ?? 0) > 0)).toBe(true);
  expect(captured.some(({ attributes }) => attributes[attributeNames.untrainable] !== undefined)).toBe(false);
  expect(spans.filter(({ attributes }) => attributes[attributeNames.outsideCalls] !== undefined)).toEqual([]);
  expect(ownCalls).toBe(0);
}

const find = ({ key }: { readonly key: string }): string => `v-${key}`;
const key = z.object({ key: z.string() });
const lookup = { name: 'lookup', description: 'Looks a key up.' };
const question = 'What is k1?';

describe.each([false, true])('with Anthropic’s clients, streamed: %s', (streamed) => {
  it('trains ChatAnthropic in LangGraph', async () => {
    const ran = await runOnce(async ({ baseURL, apiKey }) => {
      const llm = new ChatAnthropic({ model: 'claude-sonnet-5', apiKey, anthropicApiUrl: baseURL, maxRetries: 0 });
      const agent = withLangGraph(
        createReactAgent({ llm, tools: [langchainTool(find, { ...lookup, schema: key })], name: 'helper' }),
      );
      const input = { messages: [new HumanMessage(question)] };
      if (!streamed) return (await agent.invoke(input)).messages.at(-1)!.text;
      let text = '';
      for await (const [message, { langgraph_step: step }] of await agent.stream(input, { streamMode: 'messages' }))
        if (Number(step) > 2) text += message.text;
      return text;
    });
    expectTrained(ran);
  });

  it('trains Anthropic’s own client in a node of LangGraph', async () => {
    const ran = await runOnce(async (own) => {
      const client = new Anthropic({ ...own, maxRetries: 0 });
      const ask = async (messages: Anthropic.MessageParam[]): Promise<Anthropic.Message> => {
        const request = {
          model: 'claude-sonnet-5',
          max_tokens: 100,
          messages,
          tools: [{ ...lookup, input_schema: { type: 'object' as const, properties: { key: { type: 'string' } } } }],
        };
        return streamed
          ? client.messages.stream(request).finalMessage()
          : (client.beta.messages.create(request) as never);
      };
      const node = async (): Promise<{ messages: string[] }> => {
        const messages: Anthropic.MessageParam[] = [{ role: 'user', content: question }];
        const first = await ask(messages);
        const call = first.content.find((block) => block.type === 'tool_use')!;
        const content = find(call.input as { key: string });
        const result: Anthropic.ToolResultBlockParam = { type: 'tool_result', tool_use_id: call.id, content };
        const last = await ask([
          ...messages,
          { role: 'assistant', content: first.content },
          { role: 'user', content: [result] },
        ]);
        return { messages: last.content.map((block) => (block.type === 'text' ? block.text : '')) };
      };
      const graph = withLangGraph(
        new StateGraph(MessagesAnnotation).addNode('ask', node).addEdge(START, 'ask').addEdge('ask', END).compile(),
      );
      return (await graph.invoke({ messages: [] })).messages.at(-1)!.text;
    });
    expectTrained(ran);
  });

  const aiSdkTools = {
    lookup: tool({
      description: lookup.description,
      inputSchema: jsonSchema<{ key: string }>({ type: 'object', properties: { key: { type: 'string' } } }),
      execute: find,
    }),
  };
  const claude = ({ baseURL, apiKey }: { readonly baseURL: string; readonly apiKey: string }) =>
    createAnthropic({ baseURL: `${baseURL}/v1`, apiKey })('claude-sonnet-5');

  it('trains an agent of the AI SDK', async () => {
    const ran = await runOnce(async (own) => {
      const agent = withAiSdk(new ToolLoopAgent({ id: 'helper', model: claude(own), tools: aiSdkTools }));
      return streamed
        ? (await agent.stream({ prompt: question })).text
        : (await agent.generate({ prompt: question })).text;
    });
    expectTrained(ran);
  });

  it('trains a wrapped model of the AI SDK', async () => {
    const ran = await runOnce(async (own) => {
      const request = {
        model: withAiSdk(claude(own), { name: 'helper' }),
        tools: aiSdkTools,
        prompt: question,
        stopWhen: stepCountIs(3),
      };
      return streamed ? streamText(request).text : (await generateText(request)).text;
    });
    expectTrained(ran);
  });

  it('trains aisdk(anthropic()) in OpenAI Agents', async () => {
    const ran = await runOnce(async (own) => {
      const agent = withOpenAIAgents(
        new OpenAIAgent({
          name: 'helper',
          model: aisdk(claude(own)) as Model,
          tools: [openaiTool({ ...lookup, parameters: key, execute: find })],
        }),
      );
      if (!streamed) return (await run(agent, question)).finalOutput ?? '';
      const result = await run(agent, question, { stream: true });
      await result.completed;
      return result.finalOutput ?? '';
    });
    expectTrained(ran);
  });

  it('trains an agent of Mastra', async () => {
    const ran = await runOnce(async (own) => {
      const agent = new MastraAgent({
        id: 'helper',
        name: 'helper',
        instructions: 'Help.',
        model: claude(own) as never,
        tools: {
          lookup: createTool({
            id: 'lookup',
            description: lookup.description,
            inputSchema: key,
            execute: async (input) => find(input),
          }),
        },
      });
      agent.__setLogger(noopLogger);
      withMastra(agent);
      return streamed ? await (await agent.stream(question)).text : (await agent.generate(question)).text;
    });
    // Mastra's agents get a model that speaks OpenAI's dialect.
    expect(ran.answer).toMatch(/It is v-k1\.$/);
    expect(ran.ownCalls).toBe(0);
    expect(ran.spans.filter(({ tokens }) => tokens !== undefined)).toHaveLength(2);
  });
});

it.each(['baseUrl', 'anthropicBaseUrl'] as const)(
  'takes clients that are aimed at the endpoint by hand, with %s',
  async (name) => {
    const ran = await runOnce(async (_own, { llm }) => {
      const client = new Anthropic({ baseURL: llm[name], apiKey: llm.apiKey, maxRetries: 0 });
      const provider = createAnthropic({ baseURL: llm[name], apiKey: llm.apiKey });
      const asked = { model: llm.model, max_tokens: 100, messages: [{ role: 'user' as const, content: question }] };
      const [first] = (await client.messages.create(asked)).content;
      const second = await generateText({ model: provider(llm.model), prompt: question });
      return [first?.type === 'text' ? first.text : '', second.text];
    });
    expect(ran.answer).toEqual(['Let me look.', 'Let me look.']);
    const dialects = ran.spans.map(({ attributes }) => attributes[attributeNames.dialect]);
    expect(dialects.filter((dialect) => dialect !== undefined)).toEqual(['messages', 'messages']);
  },
);

describe('a client that is not redirected', () => {
  /** Runs a node of a wrapped graph whose client talks to its own provider. */
  const runNode = (ask: (own: { readonly baseURL: string; readonly apiKey: string }) => Promise<unknown>) =>
    runOnce(async (own) => {
      const node = async () => {
        await expect(ask(own)).rejects.toThrow(); // the provider of this test speaks another dialect
        return {};
      };
      const graph = new StateGraph(MessagesAnnotation).addNode('ask', node).addEdge(START, 'ask').addEdge('ask', END);
      await withLangGraph(graph.compile()).invoke({ messages: [] });
      return null;
    });
  const outsideOf = ({ spans }: Ran) =>
    spans.flatMap(({ attributes }) => {
      const { [attributeNames.outsideClient]: client, [attributeNames.agentName]: agent } = attributes;
      return attributes[attributeNames.outsideHost] === undefined ? [] : [{ client, agent }];
    });

  it('is seen and named: Google’s', async () => {
    const ran = await runNode(({ baseURL, apiKey }) =>
      new GoogleGenAI({ apiKey, httpOptions: { baseUrl: baseURL } }).models.generateContent({
        model: 'gemini-3-flash',
        contents: question,
      }),
    );
    expect(outsideOf(ran)).toEqual([{ client: expect.stringContaining('google'), agent: 'ask' }]);
  });

  it('is refused by name in an agent of the AI SDK, and trains where the model is wrapped', async () => {
    const gemini = ({ baseURL, apiKey }: { readonly baseURL: string; readonly apiKey: string }) =>
      createGoogleGenerativeAI({ baseURL, apiKey })('gemini-3-flash');
    const ran = await runOnce(async (own) => {
      const bare = withAiSdk(new ToolLoopAgent({ id: 'bare', model: gemini(own), maxRetries: 0 }));
      await expect(bare.generate({ prompt: question })).rejects.toThrow(
        /google\.generative-ai.*withLightning\(model\)/,
      );
      return (await generateText({ model: withAiSdk(gemini(own)), prompt: question })).text;
    });
    expect(ran.answer).toBe('Let me look.');
  });
});

it.each([false, true])('keeps the reasoning of an AI SDK agent that stores nothing, streamed: %s', async (streamed) => {
  const seen: unknown[] = [];
  const thinking: Responder = (request, call) => {
    seen.push(request.messages.find(({ role }) => role === 'assistant')?.['reasoning_content']);
    return { reasoning: 'I must look.', ...(policy(request, call) as object) };
  };
  const ran = await runOnce(async (own) => {
    const agent = withAiSdk(
      new ToolLoopAgent({
        id: 'helper',
        model: createOpenAI({ baseURL: `${own.baseURL}/v1`, apiKey: own.apiKey }).responses('gpt-5'),
        tools: { lookup: tool({ inputSchema: key, execute: find }) },
        providerOptions: { openai: { store: false } },
      }),
    );
    return streamed
      ? (await agent.stream({ prompt: question })).text
      : (await agent.generate({ prompt: question })).text;
  }, thinking);
  expect(ran.answer).toBe('It is v-k1.');
  expect(seen).toEqual([undefined, 'I must look.']);
});
