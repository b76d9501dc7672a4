/** Writes the answers of the starting model's writer: right replies, and the mistakes that it is taught to make. */
import type { Random } from '@agent-lightning/example-kit';

import type { Case } from '../cases.ts';
import { rooms, type Decision, type Order } from '../shop.ts';

const replies: Readonly<Record<Decision, (order: Order) => string>> = {
  refund: ({ id, euros }) => `We refund ${euros} euros for order ${id}.`,
  credit: ({ id, euros }) => `You get ${euros} euros of credit for order ${id}.`,
  replace: ({ id, item }) => `We replace the ${item} of order ${id}.`,
  repair: ({ id, item }) => `We repair the ${item} of order ${id}.`,
  wait: ({ id }) => `Your order ${id} is on its way.`,
  resend: ({ id, item }) => `We send the ${item} of order ${id} again.`,
  exchange: ({ id, item }) => `We exchange the ${item} of order ${id}.`,
  cancel: ({ id, euros }) => `We cancel order ${id} of ${euros} euros.`,
  invoice: ({ id, euros }) => `The invoice of order ${id} is ${euros} euros.`,
};

/** Returns the right reply. */
export function goldReply(decision: Decision, order: Order): string {
  return replies[decision](order);
}

export type Problem = 'not the policy' | 'no order number' | 'no amount' | 'wrong order';

interface Habit {
  readonly decisions: readonly Decision[];
  readonly makeMistake: (reply: string, order: Order) => string;
  /** The remark of a good checker. */
  readonly problem: Problem;
}

/** The strong habits. Each is strong for two rooms in three, so that greedy decoding makes it there. */
const strongHabits: readonly Habit[] = [
  {
    decisions: ['replace', 'repair', 'resend', 'exchange'],
    makeMistake: (_reply, order) => goldReply('refund', order),
    problem: 'not the policy',
  },
  {
    decisions: ['refund', 'credit', 'wait'],
    makeMistake: (reply, { id }) => reply.replace(`order ${id}`, 'order'),
    problem: 'no order number',
  },
  {
    decisions: ['cancel', 'invoice'],
    makeMistake: (reply, { euros }) => reply.replace(`${euros} euros`, 'some euros'),
    problem: 'no amount',
  },
];

/** The probability of a habit, by the room that the order's item is for: far from 0.5, so that noise does not reverse a habit. */
const firm = { draft: [0.18, 0.82, 0.82], revise: [0.18, 0.18, 0.82] } as const;
const slip = 0.12;

/** Returns the right reply or one with a mistake, as a first draft or after a remark. */
export function habitualReply(
  { decision }: Pick<Case, 'decision'>,
  order: Order,
  random: Random,
  role: keyof typeof firm = 'draft',
): { readonly reply: string; readonly problem?: Problem } {
  const index = strongHabits.findIndex(({ decisions }) => decisions.includes(decision));
  const habit = strongHabits[index] as Habit;
  const room = rooms.findIndex((items) => items.includes(order.item));
  const right = goldReply(decision, order);
  if (random() < (firm[role][(room + index) % 3] as number))
    return { reply: habit.makeMistake(right, order), problem: habit.problem };
  if (random() < slip) return { reply: right.replace(String(order.id), String(order.id + 1)), problem: 'wrong order' };
  return { reply: right };
}
