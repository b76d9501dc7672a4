/** The reward: is the mail right about the shop's decision, the order, and the form? */
import { decisions, findOrder } from './shop.ts';
import type { Ticket } from './tickets.ts';

/** A mail as the agent writes it. */
export interface Mail {
  readonly subject: string;
  readonly reply: string;
}

/** The most words of a reply. */
const mostWords = 9;

/** Gives a quarter for each thing that is right, with a text that says what is not. */
export function rateMail(
  { kind, order, decision }: Pick<Ticket, 'kind' | 'order' | 'decision'>,
  { subject, reply }: Mail,
): { readonly reward: number; readonly feedback: string } {
  const { item, euros } = findOrder(order);
  const stated = decisions.filter((each) => new RegExp(`\\b${each}\\b`, 'i').test(reply));
  const numbers = reply.match(/\d+/g) ?? [];
  const words = reply.trim().split(/\s+/).length;
  const faults = [
    stated.join() === decision
      ? ''
      : `the shop's policy for this order is to ${decision}, the reply says ${stated.join(' and ') || 'nothing of the kind'}`,
    new RegExp(`\\b${item}\\b`).test(reply) && numbers.join() === String(euros)
      ? ''
      : `the reply does not name the item (${item}) and what it cost (${euros} euros)`,
    words <= mostWords ? '' : `the reply has ${words} words where ${mostWords} are enough`,
    subject.trim() === `[${kind}] ${decision}`
      ? ''
      : `the subject is ${JSON.stringify(subject)}, the desk sorts by "[${kind}] ${decision}"`,
  ].filter((fault) => fault !== '');
  return { reward: 1 - faults.length / 4, feedback: faults.join('; ') || 'nothing is wrong' };
}
