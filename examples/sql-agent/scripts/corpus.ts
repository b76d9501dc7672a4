/** The dialogues that the starting model learns from: fluent SQL with bad habits, in the agent's own prompts. */
import type { Random } from '@agent-lightning/example-kit';

import { checkPrompt, describeAnswer, rewritePrompt, writePrompt, type Message } from '../prompts.ts';
import { runQuery } from '../query.ts';
import type { Question } from '../questions.ts';
import { ownDatabases } from '../sql-databases.ts';
import { habitualQuery, type HabitualQuery } from './bad-habits.ts';

/** A prompt and the answer that is learned; the prompt is not. */
export interface Example {
  readonly role: 'write' | 'rewrite' | 'check';
  readonly question: Question;
  readonly prompt: readonly Message[];
  readonly response: string;
}

/** One example about a question: half of them write, three tenths rewrite, two tenths check. */
export function createExample(question: Question, random: Random): Example {
  const part = random();
  if (part < 0.5) return write(question, random);
  return part < 0.8 ? rewrite(question, random) : check(question, random);
}

function write(question: Question, random: Random): Example {
  const { query } = habitualQuery(question, random, 1, 1);
  return {
    role: 'write',
    question,
    prompt: writePrompt(ownDatabases.instructions(question.database), question.question),
    response: query,
  };
}

/** Rewrites what the database or the checker complained about; the slips are then rarer, the habits are not. */
function rewrite(question: Question, random: Random): Example {
  const { query, feedback } = complaint(question, random);
  const rewritten = habitualQuery(question, random, 1, 0.4);
  const prompt = [
    ...writePrompt(ownDatabases.instructions(question.database), question.question),
    ...rewritePrompt(query, feedback),
  ];
  return { role: 'rewrite', question, prompt, response: rewritten.query };
}

/** A query with something wrong, and what was said about it. */
function complaint(question: Question, random: Random): { query: string; feedback: string } {
  for (;;) {
    const written = habitualQuery(question, random, 1, 1.5);
    const answer = describeAnswer(runQuery(question.database, written.query));
    if (answer.startsWith('Error')) return { query: written.query, feedback: answer };
    const [reason] = reasonsOf(written, answer);
    if (reason !== undefined) return { query: written.query, feedback: reason };
  }
}

/** The probability that the checker sees what is wrong, where the answer shows it. */
const visible: Readonly<Record<string, number>> = { 'no rows': 1, 'too many columns': 0.65 };

/** A mediocre checker: it sees an empty answer, mostly a wide one, and little else. */
function check(question: Question, random: Random): Example {
  for (;;) {
    const written = habitualQuery(question, random, 1, 1);
    const answer = describeAnswer(runQuery(question.database, written.query));
    if (answer.startsWith('Error')) continue;
    const [reason] = reasonsOf(written, answer);
    const sees = reason !== undefined && random() < (visible[reason] ?? 0.3);
    const response = sees ? `rewrite: ${reason}` : 'ok';
    return { role: 'check', question, prompt: checkPrompt(question.question, written.query, answer), response };
  }
}

function reasonsOf({ reasons }: HabitualQuery, answer: string): readonly string[] {
  return answer === 'no rows' ? ['no rows'] : reasons;
}
