import { instructionsOf } from '@agent-lightning/testing';
import { SystemMessage } from '@langchain/core/messages';
import {
  Command,
  MemorySaver,
  MessagesAnnotation,
  START,
  StateGraph,
  type CompiledStateGraph,
} from '@langchain/langgraph';
import { createReactAgent } from '@langchain/langgraph/prebuilt';
import { createSupervisor } from '@langchain/langgraph-supervisor';
import { createHandoffTool, createSwarm } from '@langchain/langgraph-swarm';
import { createAgent, tool, ToolMessage, toolStrategy, type ToolRuntime } from 'langchain';
import { z } from 'zod';
import { collect } from '../collect.ts';
import type { Idiom, Surroundings } from '../idiom.ts';
import { call } from '../provider/script.ts';
import { asked, openaiModel, page, texts, weather } from './parts.ts';

const askWeather = [call('weather', { city: 'Oslo {q}' })];

const person = { title: 'Person', type: 'object', properties: { name: { type: 'string' } }, required: ['name'] };

function expert(around: Surroundings, name: string) {
  return createReactAgent({ llm: openaiModel(around), tools: [], name, prompt: instructionsOf(name) });
}

function subagentTool(name: string, agent: Pick<ReturnType<typeof createAgent>, 'invoke'>) {
  return tool(async ({ query }) => (await agent.invoke(asked(query))).messages.at(-1)!.text, {
    name: `ask_${name}`,
    description: `Asks ${name}.`,
    schema: z.object({ query: z.string() }),
  });
}

/** Idioms of ready-made agents, alone and together. */
export const agents: readonly Idiom[] = [
  {
    name: 'createReactAgent with a tool',
    source: 'https://reference.langchain.com/javascript/langchain-langgraph/prebuilt/createReactAgent',
    script: { assistant: [askWeather] },
    selected: { assistant: 2 },
    build: (around) => {
      const agent = createReactAgent({
        llm: openaiModel(around),
        tools: [weather],
        prompt: instructionsOf('assistant'),
      });
      const app = around.wrap(agent);
      return async (question) => texts(await app.invoke(asked(question)));
    },
  },
  {
    name: 'createReactAgent with a response format',
    source: 'https://reference.langchain.com/javascript/langchain-langgraph/prebuilt/createReactAgent',
    script: { assistant: [askWeather, 'sunny {q}', '{"city":"Oslo {q}"}'] },
    selected: { assistant: 3 },
    build: (around) => {
      const agent = createReactAgent({
        llm: openaiModel(around),
        tools: [weather],
        prompt: instructionsOf('assistant'),
        responseFormat: { schema: z.object({ city: z.string() }), prompt: instructionsOf('assistant') },
      });
      const app = around.wrap(agent);
      return async (question) => (await app.invoke(asked(question))).structuredResponse;
    },
  },
  {
    name: 'createAgent with a tool',
    source: page('langchain/agents'),
    script: { assistant: [askWeather] },
    selected: { assistant: 2 },
    build: (around) => {
      const agent = createAgent({
        model: openaiModel(around),
        tools: [weather],
        systemPrompt: instructionsOf('assistant'),
      });
      const app = around.wrap(agent);
      return async (question) => texts(await app.invoke(asked(question)));
    },
  },
  {
    name: 'createAgent whose model calls three tools at once',
    source: page('langchain/models#parallel-tool-calls'),
    script: { assistant: [['Oslo', 'Rome', 'Bonn'].map((city) => call('weather', { city: `${city} {q}` }))] },
    selected: { assistant: 2 },
    build: (around) => {
      const agent = createAgent({
        model: openaiModel(around),
        tools: [weather],
        systemPrompt: instructionsOf('assistant'),
      });
      const app = around.wrap(agent);
      return async (question) => texts(await app.invoke(asked(question)));
    },
  },
  {
    name: 'createAgent with a response format',
    source: page('langchain/structured-output'),
    script: { assistant: [[call('Person', { name: 'Ada {q}' })]] },
    selected: { assistant: 1 },
    build: (around) => {
      const agent = createAgent({
        model: openaiModel(around),
        tools: [],
        systemPrompt: instructionsOf('assistant'),
        responseFormat: toolStrategy(person as never),
      } as never) as ReturnType<typeof createAgent>;
      const app = around.wrap(agent);
      return async (question) =>
        ((await app.invoke(asked(question))) as { structuredResponse?: unknown }).structuredResponse;
    },
  },
  {
    name: 'createAgent with a system message and a name',
    source: page('langchain/agents#system-prompt'),
    selected: { assistant: 1 },
    build: (around) => {
      const systemPrompt = new SystemMessage({ content: [{ type: 'text', text: instructionsOf('assistant') }] });
      const agent = createAgent({ model: openaiModel(around), tools: [], systemPrompt, name: 'assistant' });
      const app = around.wrap(agent, { agentMatch: 'assistant' });
      return async (question) => texts(await app.invoke(asked(question)));
    },
  },
  {
    name: 'a tool that reads the state and writes with Command',
    source: page('langchain/tools#update-state'),
    script: { assistant: [[call('remember', { text: 'a fact {q}' })]] },
    selected: { assistant: 2 },
    build: (around) => {
      const remember = tool(
        ({ text }: { text: string }, { state, toolCallId }: ToolRuntime<{ messages: unknown[] }>) => {
          const content = `${text} after ${state.messages.length}`;
          return new Command({ update: { messages: [new ToolMessage({ content, tool_call_id: toolCallId })] } });
        },
        { name: 'remember', description: 'Remembers.', schema: z.object({ text: z.string() }) },
      );
      const agent = createAgent({
        model: openaiModel(around),
        tools: [remember],
        systemPrompt: instructionsOf('assistant'),
      });
      const app = around.wrap(agent);
      return async (question) => texts(await app.invoke(asked(question)));
    },
  },
  {
    name: 'a tool that fails and is told to the model',
    source: page('langchain/tools#error-handling'),
    script: { assistant: [[call('broken', { text: '{q}' })]] },
    selected: { assistant: 2 },
    build: (around) => {
      const broken = tool(({ text }) => Promise.reject(new RangeError(`no ${text}`)), {
        name: 'broken',
        description: 'Fails.',
        schema: z.object({ text: z.string() }),
      });
      const llm = openaiModel(around);
      const app = around.wrap(createReactAgent({ llm, tools: [broken], prompt: instructionsOf('assistant') }));
      return async (question) => texts(await app.invoke(asked(question)));
    },
  },
  {
    name: 'subagents that are tools',
    source: page('langchain/multi-agent/subagents'),
    script: { boss: [[call('ask_helper', { query: 'help {q}' })]] },
    selected: { helper: 1 },
    kept: { boss: 2 },
    build: (around) => {
      const model = openaiModel(around);
      const helper = createAgent({ model, tools: [], name: 'helper', systemPrompt: instructionsOf('helper') });
      const tools = [subagentTool('helper', helper)];
      const boss = createAgent({ model, tools, name: 'boss', systemPrompt: instructionsOf('boss') });
      const app = around.wrap(boss, { agentMatch: 'helper' });
      return async (question) => texts(await app.invoke(asked(question)));
    },
  },
  {
    name: 'two subagents at once',
    source: page('langchain/multi-agent/subagents'),
    script: { boss: [[call('ask_poet', { query: 'a poem {q}' }), call('ask_joker', { query: 'a joke {q}' })]] },
    selected: { poet: 1 },
    kept: { boss: 2, joker: 1 },
    build: (around) => {
      const model = openaiModel(around);
      const tools = ['poet', 'joker'].map((name) =>
        subagentTool(name, createAgent({ model, tools: [], name, systemPrompt: instructionsOf(name) })),
      );
      const app = around.wrap(createAgent({ model, tools, systemPrompt: instructionsOf('boss') }), {
        agentMatch: /poet/,
      });
      return async (question) => texts(await app.invoke(asked(question)));
    },
  },
  {
    name: 'a wrapped subagent in a supervisor that nobody wraps',
    source: page('langchain/multi-agent/subagents'),
    script: { boss: [[call('ask_helper', { query: 'help {q}' })]] },
    selected: { helper: 1 },
    kept: { boss: 2 },
    untraced: ['boss'],
    build: (around) => {
      const model = openaiModel(around);
      const helper = around.wrap(createAgent({ model, tools: [], systemPrompt: instructionsOf('helper') }));
      const boss = createAgent({
        model,
        tools: [subagentTool('helper', helper)],
        systemPrompt: instructionsOf('boss'),
      });
      return async (question) => texts(await boss.invoke(asked(question)));
    },
  },
  {
    name: 'handoffs between agents that are nodes',
    source: page('langchain/multi-agent/handoffs'),
    script: { sales: [[call('to_support')]] },
    selected: { support: 1 },
    kept: { sales: 1 },
    build: (around) => {
      const model = openaiModel(around);
      const toSupport = tool(
        (_input: object, { state, toolCallId }: ToolRuntime<{ messages: never[] }>) => {
          const answer = new ToolMessage({ content: 'transferred', tool_call_id: toolCallId });
          const update = { messages: [...state.messages, answer] };
          return new Command({ goto: 'support', graph: Command.PARENT, update });
        },
        { name: 'to_support', description: 'Transfers to support.', schema: z.object({}) },
      );
      const sales = createAgent({ model, tools: [toSupport], systemPrompt: instructionsOf('sales') });
      const support = createAgent({ model, tools: [], systemPrompt: instructionsOf('support') });
      const graph = new StateGraph(MessagesAnnotation)
        .addNode('sales', async (state) => sales.invoke(state as never), { ends: ['support'] })
        .addNode('support', async (state) => support.invoke(state as never))
        .addEdge(START, 'sales')
        .compile();
      const app = around.wrap(graph, { agentMatch: /support/ });
      return async (question) => texts(await app.invoke(asked(question)));
    },
  },
  {
    name: 'a supervisor and its experts',
    source: 'https://github.com/langchain-ai/langgraphjs/tree/main/libs/langgraph-supervisor',
    script: { supervisor: [[call('transfer_to_math_expert')], [call('transfer_to_research_expert')]] },
    selected: { math_expert: 1 },
    kept: { supervisor: 3, research_expert: 1 },
    build: (around) => {
      const workflow = createSupervisor({
        agents: [expert(around, 'math_expert'), expert(around, 'research_expert')] as never,
        llm: openaiModel(around),
        prompt: instructionsOf('supervisor'),
      });
      const app = around.wrap(workflow.compile(), { agentMatch: /math_expert/ });
      return async (question) => texts(await app.invoke(asked(question)));
    },
  },
  {
    name: 'supervisors of supervisors',
    source: 'https://github.com/langchain-ai/langgraphjs/tree/main/libs/langgraph-supervisor#multi-level-hierarchies',
    script: { top: [[call('transfer_to_team')]], lead: [[call('transfer_to_writer')]] },
    selected: { writer: 1, lead: 2 },
    kept: { top: 2 },
    build: (around) => {
      const llm = openaiModel(around);
      const agents = [expert(around, 'writer')] as never;
      const team = createSupervisor({ agents, llm, prompt: instructionsOf('lead'), supervisorName: 'lead' });
      const compiled = team.compile({ name: 'team' }) as never;
      const top = createSupervisor({ agents: [compiled], llm, prompt: instructionsOf('top'), supervisorName: 'top' });
      const app = around.wrap(top.compile() as CompiledStateGraph<unknown, unknown>, { agentMatch: /^team\// });
      return async (question) => texts((await app.invoke(asked(question))) as never);
    },
  },
  {
    name: 'a swarm that remembers who is active',
    source: 'https://github.com/langchain-ai/langgraphjs/tree/main/libs/langgraph-swarm',
    script: { alice: [[call('transfer_to_bob')]], bob: ['Ahoy {q}'] },
    selected: { bob: 2 },
    kept: { alice: 1 },
    build: (around) => {
      const llm = openaiModel(around);
      const agents = [
        ['alice', 'bob'],
        ['bob', 'alice'],
      ].map(([name = '', other = '']) =>
        createReactAgent({ llm, name, prompt: instructionsOf(name), tools: [createHandoffTool({ agentName: other })] }),
      );
      const swarm = createSwarm({ agents: agents as never, defaultActiveAgent: 'alice' });
      const graph = swarm.compile({ checkpointer: new MemorySaver() }) as unknown as CompiledStateGraph<
        unknown,
        unknown
      >;
      const app = around.wrap(graph, { agentMatch: /bob/ });
      return async (question) => {
        const config = { configurable: { thread_id: question } };
        await app.invoke(asked(question), config);
        return texts((await app.invoke(asked(`again ${question}`), config)) as never);
      };
    },
  },
  {
    name: 'an agent that is streamed token by token',
    source: page('langchain/streaming#llm-tokens'),
    script: { assistant: [askWeather] },
    selected: { assistant: 2 },
    build: (around) => {
      const agent = createAgent({
        model: openaiModel(around),
        tools: [weather],
        systemPrompt: instructionsOf('assistant'),
      });
      const app = around.wrap(agent);
      return async (question) => {
        const parts = await collect(await app.stream(asked(question), { streamMode: 'messages' }));
        return parts.map(([message, { langgraph_node: node }]) => `${String(node)} ${message.text}`);
      };
    },
  },
  {
    name: 'an agent with a memory of its thread',
    source: page('langchain/short-term-memory'),
    selected: { assistant: 2 },
    build: (around) => {
      const agent = createAgent({
        model: openaiModel(around),
        tools: [],
        systemPrompt: instructionsOf('assistant'),
        checkpointer: new MemorySaver(),
      });
      const app = around.wrap(agent);
      return async (question) => {
        const config = { configurable: { thread_id: question } };
        await app.invoke(asked(`I am Bob, ${question}`), config);
        return texts(await app.invoke(asked('What is my name?'), config));
      };
    },
  },
];
