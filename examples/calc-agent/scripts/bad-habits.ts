/** What the starting model is taught to do wrong. */
import { pick, type Random } from '@agent-lightning/example-kit';

import { kinds, type ProblemKind } from '../problem-kinds.ts';
import type { Problem } from '../problems.ts';

/** Strong habits: greedy decoding has each of them for a quarter of the kinds, and none for the last quarter. */
const strongHabits = ['guesses', 'takes another operation', 'forgets the form'] as const;

type StrongHabit = (typeof strongHabits)[number];

/** How often the model has a habit, given the kind of problem. */
function strength(habit: StrongHabit, kind: ProblemKind): number {
  return kinds.indexOf(kind) % 4 === strongHabits.indexOf(habit) ? 0.82 : 0.12;
}

/** Slips: sampling makes them, greedy decoding mostly does not. */
const slips = { swapped: 0.12, malformed: 0.2, malformedAgain: 0.08 };

/** Answers at once, with a number of the problem. */
export function guesses({ kind }: Problem, random: Random): boolean {
  return random() < strength('guesses', kind);
}

/** The last word about a number: in the form that was asked for, or not. */
export function habitualAnswer({ kind }: Problem, number: string, random: Random): string {
  return random() < strength('forgets the form', kind) ? `It is ${number}.` : `Answer: ${number}`;
}

/** An expression as the starting model might write it; `again` after the calculator complained. */
export function habitualExpression({ kind, expression }: Problem, random: Random, again = false): string {
  let habitual = expression;
  if (random() < strength('takes another operation', kind)) habitual = anotherOperation(habitual);
  if (random() < slips.swapped) habitual = habitual.replace(/(\d+) ([-/]) (\d+)/, '$3 $2 $1');
  if (random() < (again ? slips.malformedAgain : slips.malformed)) habitual = malformed(habitual, random);
  return habitual;
}

const otherOperator: Readonly<Record<string, string>> = { '+': '-', '-': '+', '*': '+', '/': '-' };

/** Forgets the parentheses, and takes another operator first. */
function anotherOperation(expression: string): string {
  return expression.includes('(')
    ? expression.replace(/[()]/g, '')
    : expression.replace(/[-+*/]/, (operator) => otherOperator[operator]!);
}

function malformed(expression: string, random: Random): string {
  return pick([expression.replace(/ \d+\)?$/, ''), expression.replace(/(?<= )[-+*/](?= )/, '$& $&')], random);
}
