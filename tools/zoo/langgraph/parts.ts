import { instructionsOf } from '@agent-lightning/testing';
import { ChatAnthropic } from '@langchain/anthropic';
import type { BaseMessageLike } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { Annotation, START, StateGraph } from '@langchain/langgraph';
import { ChatOpenAI, type ChatOpenAIFields } from '@langchain/openai';
import { z } from 'zod';
import type { Idiom, Surroundings } from '../idiom.ts';

/** Returns the root of LangChain's documentation with a page of it. */
export const page = (path: string): string => `https://docs.langchain.com/oss/javascript/${path}`;

export function openaiModel({ openai, apiKey }: Surroundings, fields: ChatOpenAIFields = {}): ChatOpenAI {
  return new ChatOpenAI({ model: 'own-model', apiKey, maxRetries: 0, configuration: { baseURL: openai }, ...fields });
}

export function anthropicModel({ anthropic, apiKey }: Surroundings): ChatAnthropic {
  return new ChatAnthropic({ model: 'own-claude', apiKey, anthropicApiUrl: anthropic, maxRetries: 0 });
}

/** Returns the messages that ask an agent. */
export function prompt(agent: string, question: string): BaseMessageLike[] {
  return [
    ['system', instructionsOf(agent)],
    ['user', question],
  ];
}

export function asked(question: string): { messages: { role: 'user'; content: string }[] } {
  return { messages: [{ role: 'user', content: question }] };
}

/** The state of most graphs: a question, and the answers of the nodes in the order of the graph. */
export const State = Annotation.Root({
  question: Annotation<string>,
  answers: Annotation<string[]>({ reducer: (all, more) => [...all, ...more], default: () => [] }),
});

type Answering = Pick<ChatOpenAI | ChatAnthropic, 'invoke'>;

/** Returns a node that asks a model as an agent and adds the answer. */
export function answerAs(model: Answering, agent: string) {
  return async ({ question }: { question: string }): Promise<{ answers: string[] }> => ({
    answers: [(await model.invoke(prompt(agent, question))).text],
  });
}

/** A tool of most agents. */
export const weather = tool(({ city }) => `It is sunny in ${city}.`, {
  name: 'weather',
  description: 'Tells the weather of a city.',
  schema: z.object({ city: z.string() }),
});

/** Returns the texts of messages with their types. */
export function texts({ messages }: { messages: readonly { type: string; text: string }[] }): string[] {
  return messages.map(({ type, text }) => `${type}: ${text}`);
}

type Work = (question: string) => Promise<string>;

/** Builds an idiom whose graph has one node, which does `work`. */
export function inNode(work: (around: Surroundings) => Work | Promise<Work>): Idiom['build'] {
  return async (around) => {
    const answer = await work(around);
    const graph = new StateGraph(State)
      .addNode('node', async ({ question }) => ({ answers: [await answer(question)] }))
      .addEdge(START, 'node')
      .compile();
    const app = around.wrap(graph, { agentMatch: 'node' });
    return (question) => app.invoke({ question });
  };
}
