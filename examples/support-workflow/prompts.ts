/** The prompts of the agents. They are short, because the example's model is tiny. */
import { topics, type Order } from './shop.ts';

/** Asks what a message is about. */
export const triageInstructions = `Topic: ${topics.join(', ')}.`;
export const writerInstructions = 'Answer the customer.';
export const checkerInstructions = 'Check the reply. Say ok or revise: reason.';

/** Writes what the tools found, in one line. */
export function describeFacts(order: Order | undefined, decision: string | undefined): string {
  if (order === undefined) return 'no such order.';
  return `order ${order.id}: ${order.item}, ${order.euros} euros. policy: ${decision ?? 'ask a colleague'}.`;
}

export function draftPrompt(message: string, facts: string): string {
  return `${message}\n${facts}`;
}

/** Asks whether a reply fits the facts. */
export function checkPrompt(facts: string, reply: string): string {
  return `${facts}\n${reply}`;
}

export function revisePrompt(remark: string): string {
  return `Revise it: ${remark}`;
}
