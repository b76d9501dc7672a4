/** An agent that answers questions about a database: it writes a query, runs it, checks the answer and rewrites. */
import { Annotation, END, START, StateGraph } from '@langchain/langgraph';
import { ChatOpenAI } from '@langchain/openai';

import { checkPrompt, describeAnswer, readQuery, rewritePrompt, writePrompt, type Message } from './prompts.ts';
import { ownDatabases, type SqlDatabases } from './sql-databases.ts';

const State = Annotation.Root({
  database: Annotation<string>,
  question: Annotation<string>,
  /** The dialogue with the writer. */
  messages: Annotation<Message[]>({ reducer: (before, added) => [...before, ...added], default: () => [] }),
  /** The writer's last words; the query is in them. */
  reply: Annotation<string>,
  query: Annotation<string>,
  answer: Annotation<string>,
  /** Says what is wrong with the query; empty when nothing is. */
  feedback: Annotation<string>,
  /** Queries written so far. */
  turns: Annotation<number>({ reducer: (_before, after) => after, default: () => 0 }),
});

type State = typeof State.State;

export interface SqlAgentOptions {
  readonly databases?: SqlDatabases;
  readonly model?: string;
  /** The most queries that one question may take. */
  readonly maxTurns?: number;
  /** The most tokens of a query, and of what the checker says. */
  readonly maxQueryTokens?: number;
  readonly maxCheckTokens?: number;
}

/** Builds the graph. Its models are where `OPENAI_BASE_URL` and `OPENAI_API_KEY` say. */
export function createSqlAgent({
  databases = ownDatabases,
  model = 'tiny-sql',
  maxTurns = 2,
  maxQueryTokens = 48,
  maxCheckTokens = 16,
}: SqlAgentOptions = {}) {
  const writer = new ChatOpenAI({ model, temperature: 0, maxTokens: maxQueryTokens });
  const checker = new ChatOpenAI({ model, temperature: 0, maxTokens: maxCheckTokens });

  async function writeQuery({ database, question }: State) {
    const messages = writePrompt(databases.instructions(database), question);
    const { text } = await writer.invoke(messages);
    return { messages, reply: text, query: readQuery(text), turns: 1 };
  }

  async function executeQuery({ database, query }: State) {
    return { answer: describeAnswer(await databases.run(database, query)) };
  }

  async function checkQuery({ question, query, answer }: State) {
    if (answer.startsWith('Error')) return { feedback: answer };
    const reply = await checker.invoke(checkPrompt(question, query, answer));
    const verdict = /^rewrite: (.+)/.exec(reply.text);
    return { feedback: verdict?.[1] ?? '' };
  }

  async function rewriteQuery({ messages, reply, feedback, turns }: State) {
    const added = rewritePrompt(reply, feedback);
    const { text } = await writer.invoke([...messages, ...added]);
    return { messages: added, reply: text, query: readQuery(text), turns: turns + 1 };
  }

  return new StateGraph(State)
    .addNode('write_query', writeQuery)
    .addNode('execute_query', executeQuery)
    .addNode('check_query', checkQuery)
    .addNode('rewrite_query', rewriteQuery)
    .addEdge(START, 'write_query')
    .addEdge('write_query', 'execute_query')
    .addConditionalEdges('execute_query', ({ turns }) => (turns < maxTurns ? 'check_query' : END), ['check_query', END])
    .addConditionalEdges('check_query', ({ feedback }) => (feedback === '' ? END : 'rewrite_query'), [
      'rewrite_query',
      END,
    ])
    .addEdge('rewrite_query', 'execute_query')
    .compile();
}
