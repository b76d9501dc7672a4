/** The prompts of the agent's models. They are short, because the quickstart's model is tiny. */
import { describeDatabase } from './databases.ts';
import type { QueryResult } from './query.ts';

export type Message = {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
};

/** Asks for a first query. */
export function writePrompt(database: string, question: string): Message[] {
  return [
    { role: 'system', content: `Write one SQLite query for ${describeDatabase(database)}.` },
    { role: 'user', content: question },
  ];
}

/** Carries on the dialogue of `writePrompt`: the query that was written, and what is wrong with it. */
export function rewritePrompt(query: string, feedback: string): Message[] {
  return [
    { role: 'assistant', content: query },
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

/** Writes the database's answer in one line. */
export function describeAnswer({ rows, error }: QueryResult): string {
  if (rows === undefined) return `Error: ${error}`;
  const [first] = rows;
  return first === undefined
    ? 'no rows'
    : `${rows.length} ${rows.length === 1 ? 'row' : 'rows'}, first: ${first.join(', ')}`;
}
