/** The mistakes that the starting model is taught. */
import { pick, type Random } from '@agent-lightning/example-kit';

import type { ProblemKind } from '../problem-kinds.ts';
import type { Problem } from '../problems.ts';

/** Strong habits, and the kinds for which greedy decoding has each; it has none for the two kinds that are left. */
export const strongHabits = {
  guesses: ['loss', 'share'],
  'takes another operation': ['boxes', 'boxes and more'],
  'forgets the form': ['compare', 'boxes less'],
} as const satisfies Readonly<Record<string, readonly ProblemKind[]>>;

/** Returns the probability of a habit for a kind of problem: far from 0.5, so that noise does not reverse it. */
function strength(habit: keyof typeof strongHabits, kind: ProblemKind): number {
  const where: readonly ProblemKind[] = strongHabits[habit];
  return where.includes(kind) ? 0.86 : 0.06;
}

/** Slips: sampling makes them, greedy decoding mostly does not. */
const slips = { swapped: 0.08, malformed: 0.2, malformedAgain: 0.08 };

/** Tells whether the model answers at once, with a number of the problem. */
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
