/** The tickets that customers write: those that train, and those that are held out. */
import { hashText, takeInTurns } from '@agent-lightning/example-kit';

import { findDecision, findOrder, orders, topics, type Decision, type Topic } from './shop.ts';

/** A customer's message, and its ground truth, which only the reward may see. */
export type Ticket = {
  readonly kind: Topic;
  readonly order: number;
  readonly message: string;
  readonly decision: Decision;
};

const phrasings: Readonly<Record<Topic, readonly string[]>> = {
  refund: ['I do not want the {} any more.', 'Please give me my money back for the {}.', 'I am not happy with the {}.'],
  damaged: ['The {} is broken.', 'My {} came with a crack.', 'The {} does not work.'],
  late: ['Where is my {}?', 'I still wait for the {}.', 'The {} has not come.'],
  exchange: ['Can I have another {}?', 'I want a {} of another colour.', 'Please change the {}.'],
  cancel: ['Please stop my order of the {}.', 'I take back my order of the {}.', 'Do not send the {}.'],
  invoice: ['I need the papers of the {}.', 'What did I pay for the {}?', 'Send me the invoice of the {}.'],
};

/** Returns every topic about every order in every phrasing, in a fixed order. */
export function allTickets(): readonly Ticket[] {
  return orders.flatMap(({ id, item }) =>
    topics.flatMap((kind) =>
      phrasings[kind].map((text) => ({
        kind,
        order: id,
        message: text.replace('{}', item),
        decision: findDecision(kind, findOrder(id))!,
      })),
    ),
  );
}

/** Holds out a third of all topics about orders by a hash: no held-out ticket is a paraphrase of a training ticket. */
export function isHeldOut({ kind, order }: Pick<Ticket, 'kind' | 'order'>): boolean {
  return hashText(`${kind} ${order}`) % 3 === 0;
}

/** Returns `count` training tickets that the seed picks, as many of each topic, or all of them. */
export function trainingTickets(seed: number, count?: number): readonly Ticket[] {
  const tickets = allTickets().filter((ticket) => !isHeldOut(ticket));
  return takeInTurns('training tickets', tickets, topics, seed, count);
}

/** Returns `count` held-out tickets that the seed picks, about as many of each topic. */
export function validationTickets(seed: number, count: number): readonly Ticket[] {
  return takeInTurns('held-out tickets', allTickets().filter(isHeldOut), topics, seed, count);
}
