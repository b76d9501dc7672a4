import { join } from 'node:path';
import type { AdapterUnderTest, AgentSpec, BuildRequest } from '@agent-lightning/testing';
import type { BaseMessage } from '@langchain/core/messages';
import { tool, type StructuredToolInterface } from '@langchain/core/tools';
import { Command, END, MessagesAnnotation, START, StateGraph } from '@langchain/langgraph';
import { createReactAgent } from '@langchain/langgraph/prebuilt';
import { ChatOpenAI } from '@langchain/openai';
import { z } from 'zod';
import { withLightning } from '../../src/index.ts';
import { createWatchers } from './watch.ts';

/** LangGraph, as the contract of adapters needs it: each agent of a scenario is a node of that name. */
export const adapter: AdapterUnderTest<ReturnType<typeof buildGraph>> = {
  layers: ['LangGraph', 'agent', 'tools'],
  returns: 'a new agent',
  earlyApp: {
    file: join(import.meta.dirname, 'early-client.ts'),
    nodeArguments: ['--conditions=@agent-lightning/source'],
  },
  build: ({ agent, model }) => buildGraph(agent, model),
  wrap: withLightning,
  watch({ agent, model }) {
    const { callbacks, heard } = createWatchers();
    return { agent: buildGraph(agent, model).withConfig({ callbacks: [...callbacks] }) as never, heard, stop: () => undefined };
  },
  watchers: { callback: { training: 'hears' }, langsmith: { training: 'hears' } },
  run: async (graph, input) => lastText((await graph.invoke(question(input))).messages),
  async stream(graph, input) {
    let text = '';
    for await (const { messages } of await graph.stream(question(input), { streamMode: 'values' }))
      text = lastText(messages as BaseMessage[]);
    return text;
  },
};

type Model = BuildRequest['model'];

function question(content: string): { messages: { role: 'user'; content: string }[] } {
  return { messages: [{ role: 'user', content }] };
}

function lastText(messages: readonly BaseMessage[]): string {
  return messages.at(-1)?.text ?? '';
}

function chatModel({ baseUrl, apiKey, model, maxRetries, client }: Model): ChatOpenAI {
  const own = client && { fetch: client.fetch, defaultHeaders: client.headers };
  return new ChatOpenAI({
    model,
    apiKey,
    maxRetries: 0,
    configuration: { baseURL: baseUrl, maxRetries, ...own },
    modelKwargs: client?.body ?? {},
  });
}

/** A graph whose nodes are the agents: the first one, and those that it hands the conversation to. */
function buildGraph(agent: AgentSpec, model: Model) {
  const handoffs = agent.handoffs ?? [];
  const ends = handoffs.map(({ name }) => name);
  const graph = new StateGraph(MessagesAnnotation)
    .addNode(agent.name, handoffs.length === 0 ? buildAgent(agent, model) : buildTriage(agent, model), { ends: [...ends, END] })
    .addEdge(START, agent.name as never);
  if (handoffs.length === 0) graph.addEdge(agent.name as never, END);
  for (const next of handoffs) {
    graph.addNode(next.name, buildAgent(next, model));
    graph.addEdge(next.name as never, END);
  }
  return graph.compile();
}

function buildAgent(agent: AgentSpec, model: Model) {
  return createReactAgent({ llm: chatModel(model), prompt: agent.instructions, tools: buildTools(agent, model) });
}

/** LangGraph's handoff: a node that asks the model, and goes where the model says. */
function buildTriage(agent: AgentSpec, model: Model) {
  const transfers = (agent.handoffs ?? []).map(({ name }) => ({
    name: `transfer_to_${name}`,
    description: `Gives the conversation to ${name}.`,
    schema: z.object({}),
  }));
  const bound = chatModel(model).bindTools(transfers);
  return async ({ messages }: typeof MessagesAnnotation.State) => {
    const reply = await bound.invoke([{ role: 'system', content: agent.instructions }, ...messages]);
    const target = reply.tool_calls?.[0]?.name.replace('transfer_to_', '');
    return target === undefined ? { messages: [reply] } : new Command({ goto: target });
  };
}

function buildTools(agent: AgentSpec, model: Model): StructuredToolInterface[] {
  return (agent.tools ?? []).map((spec) => {
    const { name, description } = spec;
    if ('agent' in spec) {
      const bare = buildGraph(spec.agent, model);
      const graph = spec.agent.wrap === undefined ? bare : withLightning(bare, spec.agent.wrap);
      const ask = async ({ input }: { input: string }): Promise<string> =>
        lastText((await graph.invoke(question(input))).messages);
      return tool(ask, { name, description, schema: z.object({ input: z.string() }) });
    }
    const schema = z.object(Object.fromEntries(spec.parameters.map((parameter) => [parameter, z.string()])));
    return tool((args) => spec.execute(args), { name, description, schema });
  });
}
