import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { allCases } from './cases.ts';
import { replyReward } from './reward.ts';
import { goldReply } from './scripts/bad-habits.ts';
import { decisions, findOrder, orders } from './shop.ts';

const order = orders.find(({ item }) => item === 'lamp')!;
const rewardOf = (decision: (typeof decisions)[number], reply: string) =>
  replyReward({ order: order.id, decision }, reply);

describe('the reward of a reply', () => {
  it('is 1 for every right reply, and 0 for that of any other decision or order', () => {
    const cases = allCases();
    fc.assert(
      fc.property(
        fc.constantFrom(...cases),
        fc.constantFrom(...decisions),
        fc.constantFrom(...orders),
        (each, other, of) => {
          const asked = findOrder(each.order)!;
          expect(replyReward(each, goldReply(each.decision, asked))).toBe(1);
          if (other !== each.decision) expect(replyReward(each, goldReply(other, asked))).toBe(0);
          if (of.id !== asked.id) expect(replyReward(each, goldReply(each.decision, of))).toBe(0);
        },
      ),
    );
  });

  it.each([
    ['does not mind other words', `Sorry! For order ${order.id} we will refund all ${order.euros} euros.`, 1],
    ['wants the order’s number', `We refund ${order.euros} euros for your order.`, 0],
    ['wants the amount', `We refund some euros for order ${order.id}.`, 0],
    ['wants the right amount', `We refund ${order.euros + 5} euros for order ${order.id}.`, 0],
    ['wants no other number', `We refund ${order.euros} euros for order ${order.id} in 3 days.`, 0],
    ['wants no second promise', `We refund ${order.euros} euros and replace order ${order.id}.`, 0],
    ['wants a decision', `Thank you for order ${order.id} of ${order.euros} euros.`, 0],
    ['is 0 for nothing', '', 0],
  ])('%s', (_, reply, reward) => {
    expect(rewardOf('refund', reply)).toBe(reward);
  });

  it('wants the item where the decision is about it', () => {
    expect(rewardOf('replace', `We replace the lamp of order ${order.id}.`)).toBe(1);
    expect(rewardOf('replace', `We replace the sofa of order ${order.id}.`)).toBe(0);
  });

  it('refuses an order that does not exist', () => {
    expect(() => replyReward({ order: 7, decision: 'wait' }, 'on its way')).toThrow('no order 7');
  });
});
