/** An agent that answers questions about a shop: its model calls a tool that looks an item up, reads the result, and answers. */
import { HumanMessage, SystemMessage } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { END, MessagesAnnotation, START, StateGraph } from '@langchain/langgraph';
import { ToolNode } from '@langchain/langgraph/prebuilt';
import { ChatOpenAI } from '@langchain/openai';
import { z } from 'zod';

import { findItem } from './shop.ts';

export const instructions = 'Look it up, then answer with the number.';

/** Steps of the graph that a question may take: two calls of the tool, and an answer. */
const recursionLimit = 6;

const lookUp = tool(({ item }) => JSON.stringify(findItem(item) ?? { error: `no item ${item}` }), {
  name: 'look_up',
  description: 'Looks up an item of the shop.',
  schema: z.object({ item: z.string() }),
});

/** Builds the graph. Its model is where `OPENAI_BASE_URL` and `OPENAI_API_KEY` say. */
export function createShopAgent({ model = 'smollm2' }: { readonly model?: string } = {}) {
  const clerk = new ChatOpenAI({ model, temperature: 0, maxTokens: 48 }).bindTools([lookUp]);
  return new StateGraph(MessagesAnnotation)
    .addNode('clerk', async ({ messages }) => ({ messages: await clerk.invoke(messages) }))
    .addNode('tools', new ToolNode([lookUp]))
    .addEdge(START, 'clerk')
    .addConditionalEdges('clerk', ({ messages }) => (hasCalls(messages.at(-1)) ? 'tools' : END), ['tools', END])
    .addEdge('tools', 'clerk')
    .compile();
}

export type ShopAgent = ReturnType<typeof createShopAgent>;

/** Returns the agent's answer; empty when it called the tool again and again. */
export async function answerQuestion(agent: ShopAgent, question: string, signal?: AbortSignal): Promise<string> {
  const messages = [new SystemMessage(instructions), new HumanMessage(question)];
  try {
    const end = await agent.invoke({ messages }, { recursionLimit, ...(signal && { signal }) });
    return end.messages.at(-1)?.text ?? '';
  } catch (error) {
    if (error instanceof Error && error.name === 'GraphRecursionError') return '';
    throw error;
  }
}

function hasCalls(message: unknown): boolean {
  const { tool_calls: calls } = message as { readonly tool_calls?: readonly unknown[] };
  return calls !== undefined && calls.length > 0;
}
