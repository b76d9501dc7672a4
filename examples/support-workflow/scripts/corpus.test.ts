import { seededRandom } from '@agent-lightning/core';
import { pick } from '@agent-lightning/example-kit';
import { describe, expect, it } from 'vitest';

import { isHeldOut, trainingCases, type Case } from '../cases.ts';
import { replyReward } from '../reward.ts';
import { rooms, findOrder, topics } from '../shop.ts';
import { createExample, type Example } from './corpus.ts';

function examples(count: number): readonly (Example & { readonly case: Case })[] {
  const random = seededRandom(7);
  const cases = trainingCases(0);
  return Array.from({ length: count }, () => {
    const each = pick(cases, random);
    return { ...createExample(each, random), case: each };
  });
}

const corpus = examples(8000);
const rewardsOf = (role: Example['role'], isWanted: (each: Case) => boolean = () => true): readonly number[] =>
  corpus
    .filter((example) => example.role === role && isWanted(example.case))
    .map((example) => replyReward(example.case, example.response));
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const isFor = (room: number) => (each: Case) =>
  each.decision === 'invoice' && rooms[room]!.includes(findOrder(each.order)!.item);

describe('the corpus', () => {
  it('is the same for the same seed, and knows no held-out case', () => {
    expect(examples(50)).toEqual(corpus.slice(0, 50));
    expect(corpus.filter((example) => isHeldOut(example.case))).toEqual([]);
  });

  it('has a writer who is mediocre, and better where a mistake was pointed out', () => {
    expect(mean(rewardsOf('draft'))).toBeGreaterThan(0.3);
    expect(mean(rewardsOf('draft'))).toBeLessThan(0.42);
    expect(mean(rewardsOf('revise'))).toBeGreaterThan(mean(rewardsOf('draft')));
  });

  it('has firm habits: the right reply is likely or unlikely, by what the order is for', () => {
    const shares = rooms.map((_, room) => mean(rewardsOf('draft', isFor(room))));
    for (const share of shares) expect(Math.min(share, Math.abs(share - 0.72))).toBeLessThan(0.26);
    expect(Math.max(...shares)).toBeGreaterThan(0.6);
    expect(Math.min(...shares)).toBeGreaterThan(0.08);
  });

  it('sorts messages without a mistake, and checks with ok or a reason', () => {
    const triage = corpus.filter(({ role }) => role === 'triage');
    expect(triage.filter((example) => example.response !== example.case.kind)).toEqual([]);
    expect(new Set(triage.map(({ response }) => response))).toEqual(new Set(topics));
    const checks = corpus.filter(({ role }) => role === 'check');
    expect(checks.filter(({ response }) => !/^(ok|revise: [a-z ]+)$/.test(response))).toEqual([]);
  });
});
