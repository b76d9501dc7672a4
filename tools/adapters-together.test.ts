/** One app with the agents of four frameworks inside each other, each with an agentMatch of its own. */
import { withLightning as withAiSdk } from '@agent-lightning/ai-sdk';
import { withLightning as withLangGraph } from '@agent-lightning/langgraph';
import { withLightning as withMastra } from '@agent-lightning/mastra';
import { withLightning as withOpenAIAgents } from '@agent-lightning/openai-agents';
import {
  agentNamesOf,
  instructionsOf,
  outlineTrace,
  scriptAgents,
  startModelServer,
  startTestRollout,
  type AgentScript,
  type ModelServer,
} from '@agent-lightning/testing';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { Annotation, END, START, StateGraph } from '@langchain/langgraph';
import { ChatOpenAI } from '@langchain/openai';
import { Agent as MastraAgent } from '@mastra/core/agent';
import { noopLogger } from '@mastra/core/logger';
import { createStep, createWorkflow } from '@mastra/core/workflows';
import { Agent as OpenAIAgent, OpenAIChatCompletionsModel, run } from '@openai/agents';
import { jsonSchema, tool, ToolLoopAgent } from 'ai';
import OpenAI from 'openai';
import { afterEach, expect, it } from 'vitest';
import { z } from 'zod';

const open: ModelServer[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()));
});

/** Every agent answers; the writer asks the checker first. Runs overtake each other. */
const script: AgentScript = ({ agent, turn }) => ({
  ...(agent === 'writer' && turn === 1
    ? { toolCalls: [{ name: 'ask_checker', arguments: { input: 'check' } }] }
    : { content: `answer of ${agent}` }),
  delayMs: Math.random() * 20,
});

async function startServer(name: string): Promise<ModelServer> {
  const server = await startModelServer({ respond: scriptAgents(name, script) });
  open.push(server);
  return server;
}

/** A graph: `plan` asks a model, `write` an agent of the AI SDK with one of OpenAI as its tool, `file` a workflow of Mastra. */
function createApp({ baseUrl }: ModelServer) {
  const provider = createOpenAICompatible({ name: 'own', baseURL: baseUrl, apiKey: 'own-key' });
  const client = new OpenAI({ baseURL: baseUrl, apiKey: 'own-key', maxRetries: 0, fetch: (...call) => fetch(...call) });

  const checker = withOpenAIAgents(
    new OpenAIAgent({
      name: 'checker',
      instructions: instructionsOf('checker'),
      model: new OpenAIChatCompletionsModel(client as never, 'own-model'),
    }),
    { agentMatch: /nobody/ },
  );
  const askChecker = tool({
    description: 'Asks the checker.',
    inputSchema: jsonSchema<{ input: string }>({
      type: 'object',
      properties: { input: { type: 'string' } },
      required: ['input'],
    }),
    execute: async ({ input }, { messages }) =>
      (await run(checker, `${input} ${String(messages[0]?.content)}`)).finalOutput ?? '',
  });
  const writer = withAiSdk(
    new ToolLoopAgent({
      id: 'writer',
      instructions: instructionsOf('writer'),
      model: provider('own-model'),
      tools: { ask_checker: askChecker },
    }),
    { agentMatch: /^writer$/ },
  );

  const text = z.object({ q: z.string() });
  const [porter, clerk] = ['porter', 'clerk'].map((id) => {
    const model = provider('own-model') as never;
    const agent = new MastraAgent({ id, name: id, instructions: instructionsOf(id), model });
    agent.__setLogger(noopLogger);
    return withMastra(agent);
  }) as [MastraAgent, MastraAgent];
  const ask = (id: string, agent: MastraAgent) =>
    createStep({
      id,
      inputSchema: text,
      outputSchema: text,
      execute: async ({ inputData }) => {
        await agent.generate(inputData.q);
        return inputData;
      },
    });
  const desk = withMastra(
    createWorkflow({ id: 'desk', inputSchema: text, outputSchema: text })
      .then(ask('sort', porter))
      .then(ask('note', clerk))
      .commit(),
    { agentMatch: /^file\/desk\/note\/clerk$/ },
  );

  const planner = new ChatOpenAI({
    model: 'own-model',
    apiKey: 'own-key',
    maxRetries: 0,
    configuration: { baseURL: baseUrl },
  });
  const State = Annotation.Root({ question: Annotation<string> });
  const graph = new StateGraph(State)
    .addNode('plan', async ({ question }) => {
      await planner.invoke([
        { role: 'system', content: instructionsOf('planner') },
        { role: 'user', content: question },
      ]);
      return {};
    })
    .addNode('write', async ({ question }) => {
      await writer.generate({ prompt: question });
      return {};
    })
    .addNode('file', async ({ question }) => {
      const { status } = await (await desk.createRun()).start({ inputData: { q: question } });
      expect(status).toBe('success');
      return {};
    })
    .addEdge(START, 'plan')
    .addEdge('plan', 'write')
    .addEdge('write', 'file')
    .addEdge('file', END)
    .compile();
  return withLangGraph(graph, { agentMatch: /plan/ });
}

const golden = [
  'agent LangGraph',
  '  agent plan',
  '    model_call policy/planner/1',
  '  agent write',
  '    agent writer',
  '      model_call policy/writer/1',
  '      tool_call ask_checker {"input":"check"} → answer of checker',
  '        agent checker',
  '          model_call own/checker/1',
  '      model_call policy/writer/2',
  '  agent file',
  '    agent desk',
  '      agent sort',
  '        agent porter',
  '          model_call own/porter/1',
  '      agent note',
  '        agent clerk',
  '          model_call policy/clerk/1',
];

it('runs four frameworks in each of 20 concurrent rollouts: one trace, each its own agentMatch, no cross-talk', async () => {
  const own = await startServer('own');
  const app = createApp(own);
  const rollouts = await Promise.all(
    Array.from({ length: 20 }, async (_, index) => {
      const policy = await startServer('policy');
      return { question: `question ${index}!`, policy, rollout: startTestRollout(policy.baseUrl) };
    }),
  );
  await Promise.all(rollouts.map(({ question, rollout }) => rollout.run(() => app.invoke({ question }))));

  expect(own.calls).toHaveLength(2 * 20);
  expect(new Set(own.calls.map(({ headers }) => headers.authorization))).toEqual(new Set(['Bearer own-key']));
  for (const { question, policy, rollout } of rollouts) {
    expect(outlineTrace(await rollout.spans(), { agents: [], layers: [] })).toEqual(golden);
    expect(policy.calls.map((call) => agentNamesOf(call)[0])).toEqual(['plan', 'writer', 'writer', 'clerk']);
    for (const { body, headers } of policy.calls) {
      expect(headers.authorization).toBe(`Bearer ${rollout.scope.llm?.apiKey}`);
      expect(body).toMatchObject({ model: rollout.scope.llm?.model });
      expect(JSON.stringify(body)).toContain(question);
    }
  }
});

it('leaves the app as it is outside a rollout', async () => {
  const own = await startServer('own');
  await createApp(own).invoke({ question: 'q' });
  expect(own.calls.map(({ body }) => (body as { readonly model?: unknown }).model)).toEqual(Array(6).fill('own-model'));
});

it('no adapter takes an option that it does not have', () => {
  const misspelt = { agentmatch: /writer/ } as never;
  const graph = new StateGraph(Annotation.Root({ text: Annotation<string> }));
  const compiled = graph
    .addNode('write', () => ({ text: '' }))
    .addEdge(START, 'write')
    .compile();
  const wraps: Readonly<Record<string, () => unknown>> = {
    langgraph: () => withLangGraph(compiled, misspelt),
    'openai-agents': () => withOpenAIAgents(new OpenAIAgent({ name: 'writer' }), misspelt),
    'ai-sdk': () => withAiSdk('openai/gpt-5', misspelt),
    mastra: () =>
      withMastra(new MastraAgent({ id: 'a', name: 'writer', instructions: '', model: 'openai/gpt-5' }), misspelt),
  };
  for (const [adapter, wrap] of Object.entries(wraps))
    expect(wrap, adapter).toThrow(
      expect.objectContaining({
        code: 'option-invalid',
        message: expect.stringContaining('withLightning has no option "agentmatch"; did you mean "agentMatch"?'),
      }),
    );
});
