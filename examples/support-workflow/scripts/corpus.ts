/** The dialogues that teach the starting model: four roles, of which the writer has bad habits. */
import type { Random } from '@agent-lightning/example-kit';

import type { Case } from '../cases.ts';
import {
  checkerInstructions,
  checkPrompt,
  describeFacts,
  draftPrompt,
  revisePrompt,
  triageInstructions,
  writerInstructions,
} from '../prompts.ts';
import { findOrder, type Order } from '../shop.ts';
import { habitualReply, type Problem } from './bad-habits.ts';

export interface Example {
  readonly role: 'triage' | 'draft' | 'revise' | 'check';
  readonly prompt: readonly { readonly role: 'system' | 'user' | 'assistant'; readonly content: string }[];
  readonly response: string;
}

/** A mediocre checker: how often it sees what is wrong. */
const visible: Readonly<Record<Problem, number>> = {
  'no amount': 0.85,
  'no order number': 0.15,
  'not the policy': 0.15,
  'wrong order': 0.15,
};

/** One example about a case, in a role that `random` picks. */
export function createExample(each: Case, random: Random): Example {
  const order = orderOf(each);
  const facts = describeFacts(order, each.decision);
  const role = random();
  if (role < 0.2) return dialogue('triage', triageInstructions, each.message, each.kind);
  const first = habitualReply(each, order, random);
  if (role < 0.6) return dialogue('draft', writerInstructions, draftPrompt(each.message, facts), first.reply);
  if (role < 0.8) {
    const sees = first.problem !== undefined && random() < visible[first.problem];
    const verdict = sees ? `revise: ${first.problem}` : 'ok';
    return dialogue('check', checkerInstructions, checkPrompt(facts, first.reply), verdict);
  }
  return revision(each, order, random);
}

/** A writer who was told what is wrong does better, not well. */
function revision(each: Case, order: Order, random: Random): Example {
  const facts = describeFacts(order, each.decision);
  let first = habitualReply(each, order, random);
  while (first.problem === undefined) first = habitualReply(each, order, random);
  const asked = dialogue('revise', writerInstructions, draftPrompt(each.message, facts), '');
  return {
    ...asked,
    prompt: [
      ...asked.prompt,
      { role: 'assistant', content: first.reply },
      { role: 'user', content: revisePrompt(first.problem) },
    ],
    response: habitualReply(each, order, random, 'revise').reply,
  };
}

function dialogue(role: Example['role'], system: string, user: string, response: string): Example {
  return {
    role,
    prompt: [
      { role: 'system', content: system },
      { role: 'user', content: user },
    ],
    response,
  };
}

function orderOf({ order }: Case): Order {
  const found = findOrder(order);
  if (found === undefined) throw new RangeError(`there is no order ${order}`);
  return found;
}
