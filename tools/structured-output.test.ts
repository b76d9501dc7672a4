/** Agents that want structured output, in the frameworks as they are installed, over a gateway: their calls can be trained on. */
import { attributeNames, toEpisode, type Span } from '@agent-lightning/core';
import { withLightning as withAiSdk } from '@agent-lightning/ai-sdk';
import { Gateway, type StructuredOutput } from '@agent-lightning/gateway';
import { withLightning as withLangGraph } from '@agent-lightning/langgraph';
import { withLightning as withMastra } from '@agent-lightning/mastra';
import { withLightning as withOpenAIAgents } from '@agent-lightning/openai-agents';
import { Runner } from '@agent-lightning/runner';
import { MemoryStore } from '@agent-lightning/store';
import { scriptedPromptTokens, startModelServer, type ChatRequest, type ScriptedReply } from '@agent-lightning/testing';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { Annotation, END, START, StateGraph } from '@langchain/langgraph';
import { ChatOpenAI } from '@langchain/openai';
import { Agent as MastraAgent } from '@mastra/core/agent';
import { noopLogger } from '@mastra/core/logger';
import { Agent as OpenAIAgent, OpenAIChatCompletionsModel, OpenAIResponsesModel, run } from '@openai/agents';
import { Output, ToolLoopAgent } from 'ai';
import OpenAI from 'openai';
import { describe, expect, it, vi } from 'vitest';
import { z } from 'zod';

// LangChain and the AI SDK print what they make of an answer and of a provider.
vi.spyOn(console, 'warn').mockReturnValue(undefined);
(globalThis as { AI_SDK_LOG_WARNINGS?: boolean }).AI_SDK_LOG_WARNINGS = false;

const schema = z.object({ count: z.number() });
type Answer = z.infer<typeof schema>;
/** Nobody listens here: the redirect takes every call to the gateway. */
const baseUrl = 'http://127.0.0.1:9/v1';
const question = 'How many singers are there? Answer in JSON.';

/** Asks a model of LangChain in the node of a graph. */
async function askLangChain(method: 'jsonSchema' | 'functionCalling' | 'jsonMode'): Promise<Answer> {
  const options = { model: 'own-model', apiKey: 'own-key', maxRetries: 0, configuration: { baseURL: baseUrl } };
  const model = new ChatOpenAI(options).withStructuredOutput<Answer>(schema, { method, name: 'answer' });
  const State = Annotation.Root({ answer: Annotation<Answer> });
  const graph = new StateGraph(State)
    .addNode('asker', async () => ({ answer: await model.invoke(question) }))
    .addEdge(START, 'asker')
    .addEdge('asker', END)
    .compile();
  return (await withLangGraph(graph).invoke({})).answer;
}

async function askAiSdk(supportsStructuredOutputs: boolean): Promise<Answer> {
  const provider = createOpenAICompatible({ name: 'own', baseURL: baseUrl, supportsStructuredOutputs });
  const agent = new ToolLoopAgent({
    id: 'asker',
    model: provider('own-model'),
    instructions: 'You count.',
    output: Output.object({ schema }),
    maxRetries: 0,
  });
  return (await withAiSdk(agent).generate({ prompt: question })).output;
}

async function askOpenAIAgents(
  Model: typeof OpenAIChatCompletionsModel | typeof OpenAIResponsesModel,
): Promise<Answer> {
  const client = new OpenAI({ baseURL: baseUrl, apiKey: 'own-key', maxRetries: 0, fetch: (...call) => fetch(...call) });
  const model = new Model(client as never, 'own-model');
  const agent = withOpenAIAgents(
    new OpenAIAgent({ name: 'asker', instructions: 'You count.', model, outputType: schema }),
  );
  return (await run(agent, question)).finalOutput!;
}

async function askMastra(): Promise<Answer> {
  const provider = createOpenAICompatible({ name: 'own', baseURL: baseUrl, supportsStructuredOutputs: true });
  const model = provider('own-model') as never;
  const agent = new MastraAgent({ id: 'asker', name: 'asker', instructions: 'You count.', model, maxRetries: 0 });
  agent.__setLogger(noopLogger);
  return (await withMastra(agent).generate(question, { structuredOutput: { schema } })).object;
}

/** Every way to ask, the field in which the framework asks its server, and its error for an answer that does not parse. */
const ways: readonly (readonly [name: string, field: string, error: RegExp, ask: () => Promise<Answer>])[] = [
  ['LangChain, jsonSchema', 'response_format', /^SyntaxError: Unexpected token/, () => askLangChain('jsonSchema')],
  [
    'LangChain, functionCalling',
    'tool_choice',
    /^Error: Function "answer" arguments:\s+six of them\s+are not valid JSON/,
    () => askLangChain('functionCalling'),
  ],
  ['LangChain, jsonMode', 'response_format', /^Error: Failed to parse/, () => askLangChain('jsonMode')],
  ['AI SDK, Output.object', 'response_format', /^AI_NoObjectGeneratedError/, () => askAiSdk(true)],
  [
    'AI SDK, Output.object of a provider without schemas',
    'response_format',
    /^AI_NoObjectGeneratedError/,
    () => askAiSdk(false),
  ],
  [
    'OpenAI Agents, outputType in chat',
    'response_format',
    /Invalid output type/,
    () => askOpenAIAgents(OpenAIChatCompletionsModel),
  ],
  [
    'OpenAI Agents, outputType in Responses',
    'response_format',
    /Invalid output type/,
    () => askOpenAIAgents(OpenAIResponsesModel),
  ],
  ['Mastra, structuredOutput', 'response_format', /Structured output validation failed/, askMastra],
];

interface Asked {
  readonly answer: Answer | undefined;
  readonly error: unknown;
  readonly requests: readonly ChatRequest[];
  readonly spans: readonly Span[];
  readonly trainable: number;
}

/** Runs one rollout of an agent in the way that a trainer does, over a gateway whose policy answers as `respond` says. */
async function runAgent(
  ask: () => Promise<Answer>,
  respond: (request: ChatRequest) => ScriptedReply,
  structuredOutput: StructuredOutput,
): Promise<Asked> {
  const server = await startModelServer({ respond });
  const store = new MemoryStore();
  const gateway = await Gateway.start({ store, sampling: { train: { structuredOutput } } });
  gateway.publish('policy', { kind: 'openai', version: 1, baseUrl: server.baseUrl, model: 'served' });
  const [rollout] = await store.enqueue([{ input: null }]);
  let answer: Answer | undefined;
  let error: unknown;
  const runner: Runner = new Runner({
    store,
    gateway,
    concurrency: 1,
    rollout: async () => {
      answer = await ask().catch((caught: unknown) => void (error = caught));
      return 1;
    },
  });
  const running = runner.run();
  const [ended] = await store.waitFor([rollout!.rolloutId]);
  await runner.stop();
  await running;
  const spans = await store.querySpans({ rolloutIds: [rollout!.rolloutId], includeTokens: true });
  const episode = toEpisode(ended!, spans);
  await gateway.close();
  await server.close();
  const requests = server.calls.map(({ body }) => body as unknown as ChatRequest);
  const calls = spans.filter(({ attributes }) => attributes[attributeNames.source] === 'gateway');
  return { answer, error, requests, spans: calls, trainable: episode.transitions.length };
}

/** Answers as a model does that follows its instructions: by the function that it is told to call, else by JSON. */
function answerIn(json: string): (request: ChatRequest) => ScriptedReply {
  return ({ tools, messages }) => {
    const isCall = JSON.stringify(messages).includes('Answer by calling the function');
    const [tool] = (tools ?? []) as readonly { readonly function: { readonly name: string } }[];
    return isCall && tool !== undefined
      ? { toolCalls: [{ name: tool.function.name, arguments: json }] }
      : { content: json };
  };
}

function withoutFields(request: ChatRequest): void {
  expect(request).not.toHaveProperty('response_format');
  expect(request).not.toHaveProperty('tool_choice');
}

describe.each(ways)('%s', (_name, field, ownError, ask) => {
  it('is asked for in the prompt, and every call can be trained on, its tokens whole', async () => {
    const { answer, error, requests, spans, trainable } = await runAgent(ask, answerIn('{"count":6}'), 'prompt');
    expect(error).toBeUndefined();
    expect(answer).toEqual({ count: 6 });
    requests.forEach(withoutFields);
    expect(spans.length).toBeGreaterThan(0);
    expect(trainable).toBe(spans.length);
    for (const [index, { attributes, tokens }] of spans.entries()) {
      expect(attributes[attributeNames.structuredOutput]).toBe('prompt');
      expect(attributes[attributeNames.samplingRules]).toContain(`${field}:prompt`);
      // The server's own ids of the very prompt that it was sent, instruction included.
      expect([...tokens!.prompt]).toEqual(scriptedPromptTokens(requests[index]!));
      expect(tokens!.response.length).toBeGreaterThan(1);
      expect(tokens!.logprobs).toHaveLength(tokens!.response.length);
    }
    // The schema is in the prompt, or in the tools that a chat template renders; jsonMode leaves it to the user's own words.
    const shown = requests.map(({ messages, tools }) => JSON.stringify({ messages, tools })).join('');
    expect(shown.includes('count') || shown.includes('Answer in JSON')).toBe(true);
  });

  it('is left to the server by structuredOutput: "grammar", and trained on where the server reports what it samples', async () => {
    const honest = (request: ChatRequest): ScriptedReply =>
      isProbe(request) ? { content: '7', logprobs: [0, 0] } : answerForced(request);
    const { answer, requests, spans, trainable } = await runAgent(ask, honest, 'grammar');
    expect(answer).toEqual({ count: 6 });
    expect(requests.filter(isProbe)).toHaveLength(1);
    for (const request of requests) expect(request).toHaveProperty(isProbe(request) ? 'response_format' : field);
    expect(trainable).toBe(spans.length);
    for (const { attributes } of spans) expect(attributes[attributeNames.structuredOutput]).toBe('grammar');
  });

  it('reaches the agent as its framework’s own error when the answer does not parse', async () => {
    const { answer, error, trainable } = await runAgent(ask, answerIn('six of them'), 'prompt');
    expect(answer).toBeUndefined();
    // A model that breaks the form is trained on all the same: that is how it learns the form.
    expect(trainable).toBeGreaterThan(0);
    expect(String(error)).toMatch(ownError);
  });
});

function isProbe({ messages }: ChatRequest): boolean {
  return messages[0]?.content === 'Say hello.';
}

/** Answers as a server does that honours a forced function and a schema. */
function answerForced({ tools, tool_choice: choice }: ChatRequest): ScriptedReply {
  const [tool] = (tools ?? []) as readonly { readonly function: { readonly name: string } }[];
  return choice === undefined || tool === undefined
    ? { content: '{"count":6}' }
    : { toolCalls: [{ name: tool.function.name, arguments: '{"count":6}' }], finishReason: 'stop' };
}

it('gives undefined from LangChain where the function that was to be called is not', async () => {
  const { answer, error, trainable } = await runAgent(
    () => askLangChain('functionCalling'),
    () => ({ content: 'six' }),
    'prompt',
  );
  expect({ answer, error, trainable }).toEqual({ answer: undefined, error: undefined, trainable: 1 });
});
