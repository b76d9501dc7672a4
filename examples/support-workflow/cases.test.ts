import { describe, expect, it } from 'vitest';

import { allCases, isHeldOut, trainingCases, validationCases, type Case } from './cases.ts';
import { decisions, findDecision, findOrder, orders, topics } from './shop.ts';

const about = ({ kind, order }: Case): string => `${kind} ${order}`;

describe('the shop', () => {
  it('has orders with numbers of their own, and a decision for every topic', () => {
    expect(new Set(orders.map(({ id }) => id)).size).toBe(orders.length);
    expect(new Set(allCases().map(({ decision }) => decision))).toEqual(new Set(decisions));
  });

  it('answers from its database', () => {
    const [order] = orders;
    expect(findOrder(order!.id)).toEqual(order);
    expect(findOrder(1)).toBeUndefined();
    expect(findDecision('invoice', order!.id)).toBe('invoice');
    expect([findDecision('weather', order!.id), findDecision('invoice', 1)]).toEqual([undefined, undefined]);
    for (const { id, days } of orders) expect(findDecision('cancel', id)).toBe(days === 0 ? 'cancel' : 'wait');
  });
});

describe('the cases', () => {
  it('that are held out are about other topics of orders than those that train', () => {
    const training = new Set(trainingCases(0).map(about));
    const heldOut = allCases().filter(isHeldOut);
    expect(heldOut.filter((each) => training.has(about(each)))).toEqual([]);
    expect(trainingCases(0).length + heldOut.length).toBe(allCases().length);
    expect(heldOut.length / allCases().length).toBeCloseTo(0.2, 1);
  });

  it('are chosen by the seed, about as many of each topic', () => {
    const chosen = validationCases(3, 160);
    expect(validationCases(3, 160)).toEqual(chosen);
    expect(validationCases(4, 160)).not.toEqual(chosen);
    const counts = topics.map((topic) => chosen.filter(({ kind }) => kind === topic).length);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
  });

  it('are not more than there are', () => {
    expect(() => validationCases(0, 100_000)).toThrow('100000 held-out cases were asked for');
  });
});
