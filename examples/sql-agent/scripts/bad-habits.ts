/** The mistakes that the starting model is taught: each turns a right query into one that somebody might write. */
import type { Random } from '@agent-lightning/example-kit';

import { tableOf, tables } from '../databases.ts';
import type { Question } from '../questions.ts';

interface Habit {
  readonly name: string;
  /** The query with the mistake; the query itself where the mistake is not possible. */
  readonly makeMistake: (gold: string, question: Question, random: Random) => string;
  /** The probability of the mistake, in [0, 1]. */
  readonly probability: (question: Question) => number;
  /** The remark of a good checker about it; undefined where the database complains by itself. */
  readonly reason?: string;
}

/** A query as the starting model might write it, and what is wrong with it. */
export interface HabitualQuery {
  readonly query: string;
  readonly reasons: readonly string[];
}

/** Mistakes about what is selected. They are strong: greedy decoding makes each of them on two databases in three. */
const strong: readonly Habit[] = [
  {
    name: 'selects all columns',
    makeMistake: (gold, { database }) => gold.replace(`SELECT ${tableOf(database).key.name} FROM`, 'SELECT * FROM'),
    probability: strength(0),
    reason: 'too many columns',
  },
  {
    name: 'forgets to count or to average',
    makeMistake: (gold, { kind, database }) =>
      kind === 'group' ? gold : gold.replace('COUNT(*)', tableOf(database).key.name).replace(/AVG\((\w+)\)/, '$1'),
    probability: strength(1),
    reason: 'one number is asked',
  },
  {
    name: 'forgets to group',
    makeMistake: (gold) => gold.replace(/ GROUP BY \w+$/, ''),
    probability: strength(2),
    reason: 'group the rows',
  },
];

/** Slips: sampling makes them, greedy decoding mostly does not. */
const slips: readonly Habit[] = [
  {
    name: 'compares the wrong way',
    makeMistake: (gold) => gold.replace(/[<>]/, (operator) => (operator === '<' ? '>' : '<')),
    probability: () => 0.15,
    reason: 'wrong comparison',
  },
  {
    name: 'sorts the wrong way',
    makeMistake: (gold) => gold.replace(/\b(ASC|DESC)\b/, (direction) => (direction === 'ASC' ? 'DESC' : 'ASC')),
    probability: () => 0.15,
    reason: 'wrong order',
  },
  { name: 'misspells a column', makeMistake: misspell, probability: () => 0.22 },
  { name: 'forgets quotes', makeMistake: (gold) => gold.replaceAll("'", ''), probability: () => 0.22 },
];

/**
 * Returns the right query with each mistake made or not, by its probability. `strongScale` and `slipScale` multiply them: a
 * rewrite has been told what was wrong.
 */
export function habitualQuery(
  question: Question,
  random: Random,
  strongScale: number,
  slipScale: number,
): HabitualQuery {
  let query = question.gold;
  const reasons: string[] = [];
  for (const [habits, scale] of [
    [strong, strongScale],
    [slips, slipScale],
  ] as const) {
    for (const { makeMistake, probability, reason } of habits) {
      if (random() >= probability(question) * scale) continue;
      const mistaken = makeMistake(query, question, random);
      if (mistaken !== query && reason !== undefined) reasons.push(reason);
      query = mistaken;
    }
  }
  return { query, reasons };
}

/** Says how strong a habit is for a database: the model knows a third of them well. */
function strength(offset: number): (question: Question) => number {
  return ({ database }) => {
    const index = tables.findIndex(({ name }) => name === database);
    return [0.18, 0.82, 0.82][(index + offset) % 3] as number;
  };
}

/** Puts a wrong ending on one of the columns that the query names. */
function misspell(gold: string, { database }: Question, random: Random): string {
  const table = tableOf(database);
  const columns = [...table.categories, ...table.numbers].map(({ name }) => name);
  const named = columns.filter((name) => new RegExp(`\\b${name}\\b`).test(gold));
  const column = named[Math.floor(random() * named.length)];
  return column === undefined ? gold : gold.replaceAll(new RegExp(`\\b${column}\\b`, 'g'), `${column}s`);
}
