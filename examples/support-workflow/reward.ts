/** The reward: does the reply say what the shop does, about the right order? */
import type { Case } from './cases.ts';
import { decisions, findOrder, type Decision } from './shop.ts';

/** The words by which a reply states a decision; a reply that states several decisions states none. */
const statements: Readonly<Record<Decision, RegExp>> = {
  refund: /\brefund\b/i,
  credit: /\bcredit\b/i,
  replace: /\breplace\b/i,
  repair: /\brepair\b/i,
  wait: /\bon its way\b/i,
  resend: /\bagain\b/i,
  exchange: /\bexchange\b/i,
  cancel: /\bcancel\b/i,
  invoice: /\binvoice\b/i,
};

const aboutMoney: ReadonlySet<Decision> = new Set(['refund', 'credit', 'cancel', 'invoice']);
const aboutTheItem: ReadonlySet<Decision> = new Set(['replace', 'repair', 'resend', 'exchange']);

/** 1 for a reply that names the order, states the shop's decision and no other, and has the amount or the item right; else 0. */
export function replyReward({ order, decision }: Pick<Case, 'order' | 'decision'>, reply: string): 0 | 1 {
  const found = findOrder(order);
  if (found === undefined) throw new RangeError(`there is no order ${order}`);
  const stated = decisions.filter((each) => statements[each].test(reply));
  const numbers = (reply.match(/\d+/g) ?? []).map(Number);
  const expected = [order, ...(aboutMoney.has(decision) ? [found.euros] : [])];
  const isRight =
    stated.length === 1 &&
    stated[0] === decision &&
    numbers.toSorted((a, b) => a - b).join() === expected.toSorted((a, b) => a - b).join() &&
    (!aboutTheItem.has(decision) || new RegExp(`\\b${found.item}\\b`).test(reply));
  return isRight ? 1 : 0;
}
