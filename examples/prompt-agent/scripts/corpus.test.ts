import { seededRandom } from '@agent-lightning/core';
import { pick } from '@agent-lightning/example-kit';
import { describe, expect, it } from 'vitest';

import { topics } from '../shop.ts';
import { isHeldOut, trainingTickets, validationTickets } from '../tickets.ts';
import { strongHabits } from './bad-habits.ts';
import { createExample, type Example } from './corpus.ts';

const tickets = trainingTickets(0);
const random = seededRandom(7);
const corpus = Array.from({ length: 6_000 }, () => createExample(pick(tickets, random), random));
const ofRole = (role: Example['role'], kind: string) =>
  corpus.filter((each) => each.role === role && each.ticket.kind === kind);
const share = (examples: readonly Example[], holds: (example: Example) => boolean): number =>
  examples.filter(holds).length / examples.length;

describe('the corpus', () => {
  it('has each habit for its topics, and hardly for the others', () => {
    const signs: Readonly<
      Record<keyof typeof strongHabits, readonly [Example['role'], (example: Example) => boolean]>
    > = {
      'takes it for another topic': ['triage', ({ response, ticket }) => response !== ticket.kind],
      'answers before it looks up the policy': ['writer', ({ prompt }) => prompt.length === 4],
      'forgets the amount': ['writer', ({ response }) => !response.includes('euros')],
      chats: ['writer', ({ response }) => response.includes('Thank you')],
      'writes a subject of its own': ['subject', ({ response }) => !response.startsWith('[')],
    };
    for (const [habit, [role, shows]] of Object.entries(signs))
      for (const kind of topics) {
        const where: readonly string[] = strongHabits[habit as keyof typeof strongHabits];
        const found = share(ofRole(role, kind), shows);
        if (where.includes(kind)) expect(found, `${habit}: ${kind}`).toBeGreaterThan(0.55);
        else expect(found, `${habit}: ${kind}`).toBeLessThan(0.15);
      }
  });
});

describe('the tickets', () => {
  it('holds tickets out by topic and order, about a third', () => {
    const held = validationTickets(0, 60);
    const keys = new Set(tickets.map(({ kind, order }) => `${kind} ${order}`));
    expect(held.filter(({ kind, order }) => keys.has(`${kind} ${order}`))).toEqual([]);
    expect(held.every(isHeldOut)).toBe(true);
    for (const kind of topics) expect(held.filter((each) => each.kind === kind)).toHaveLength(10);
  });
});
