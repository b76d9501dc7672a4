/** The prompts of the agent's models. They are short, because the quickstart's model is tiny. */
import type { QueryResult } from './query.ts';

export type Message = {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
};

/** Asks for a first query. */
export function writePrompt(instructions: string, question: string): Message[] {
  return [
    { role: 'system', content: instructions },
    { role: 'user', content: question },
  ];
}

/** Returns the query in a reply: what stands in its last code fence; the whole reply where it has none. */
export function readQuery(reply: string): string {
  const fenced = [...reply.matchAll(/```\w*\n([\s\S]*?)\n?```/g)].at(-1)?.[1];
  return fenced?.trim() ?? reply;
}

/** Carries on the dialogue of `writePrompt`: the reply with the query, and what is wrong with it. */
export function rewritePrompt(reply: string, feedback: string): Message[] {
  return [
    { role: 'assistant', content: reply },
    { role: 'user', content: `Rewrite it: ${feedback}` },
  ];
}

/** Asks whether a query that ran answers its question. */
export function checkPrompt(question: string, query: string, answer: string): Message[] {
  return [
    { role: 'system', content: 'Check the query. Say ok or rewrite: reason.' },
    { role: 'user', content: `${question}\n${query}\n${answer}` },
  ];
}

/** The most characters of an answer that a model is told. */
const longestAnswer = 400;

/** Writes the database's answer in one line. */
export function describeAnswer({ rows, error, hasMore }: QueryResult): string {
  if (rows === undefined) return `Error: ${error}`;
  const [first] = rows;
  if (first === undefined) return 'no rows';
  const count = `${hasMore === true ? 'more than ' : ''}${rows.length} ${rows.length === 1 ? 'row' : 'rows'}`;
  const line = `${count}, first: ${first.join(', ')}`;
  return line.length <= longestAnswer ? line : `${line.slice(0, longestAnswer)}…`;
}
