/** The mistakes that the tiny model is taught, each for two topics in six. */
import { pick, type Random } from '@agent-lightning/example-kit';

import { decisions, topics, type Topic } from '../shop.ts';

/** Strong habits, and the topics for which greedy decoding has each. */
export const strongHabits = {
  'takes it for another topic': ['exchange'],
  'answers before it looks up the policy': ['refund', 'late'],
  'forgets the amount': ['damaged', 'exchange', 'invoice'],
  chats: ['cancel', 'invoice'],
  'writes a subject of its own': ['damaged', 'cancel', 'late'],
} as const satisfies Readonly<Record<string, readonly Topic[]>>;

export type Habit = keyof typeof strongHabits;

/** Tells whether a habit strikes: far from every second time, so that noise does not reverse what greedy decoding does. */
export function strikes(habit: Habit, topic: Topic, random: Random): boolean {
  const where: readonly Topic[] = strongHabits[habit];
  return random() < (where.includes(topic) ? 0.78 : 0.07);
}

export function anotherTopic(random: Random): Topic {
  return pick(topics, random);
}

export function anyDecision(random: Random): string {
  return pick(decisions, random);
}
