/** The tickets that customers write: the cases that train, and those that are held out. */
import { hashText, takeInTurns } from '@agent-lightning/example-kit';

import { findDecision, orders, topics, type Decision, type Topic } from './shop.ts';

/** A customer's message, and its ground truth, which only the reward may see. */
export type Case = {
  readonly kind: Topic;
  readonly order: number;
  readonly message: string;
  readonly decision: Decision;
};

const phrasings: Readonly<Record<Topic, readonly string[]>> = {
  refund: ['I do not want the {} any more.', 'Please give me my money back for the {}.', 'I am not happy with the {}.'],
  damaged: ['The {} is broken.', 'My {} came with a crack.', 'The {} does not work.'],
  late: ['Where is my {}?', 'I still wait for the {}.', 'The {} has not come.'],
  exchange: ['Can I have another {}?', 'I want a {} of another colour.', 'Please swap the {}.'],
  cancel: ['Please stop my order of the {}.', 'I take back my order of the {}.', 'Do not send the {}.'],
  invoice: ['I need the bill of the {}.', 'Send me the papers for the {}.', 'What did I pay for the {}?'],
};

/** Every topic about every order in every phrasing, in a fixed order. */
export function allCases(): readonly Case[] {
  return orders.flatMap(({ id, item }) =>
    topics.flatMap((kind) => {
      const decision = findDecision(kind, id);
      if (decision === undefined) throw new RangeError(`There is no policy for "${kind}" about order ${id}.`);
      return phrasings[kind].map((text) => ({ kind, order: id, message: text.replace('{}', item), decision }));
    }),
  );
}

/** Holds out a fifth of all topics about orders by a hash: no held-out case is a paraphrase of a training case. */
export function isHeldOut({ kind, order }: Pick<Case, 'kind' | 'order'>): boolean {
  return hashText(`${kind} ${order}`) % 5 === 0;
}

/** `count` training cases that the seed picks, as many of each topic, or all of them. */
export function trainingCases(seed: number, count?: number): readonly Case[] {
  const cases = allCases().filter((each) => !isHeldOut(each));
  return takeInTurns('training cases', cases, topics, seed, count);
}

/** `count` held-out cases that the seed picks, about as many of each topic. */
export function validationCases(seed: number, count: number): readonly Case[] {
  return takeInTurns('held-out cases', allCases().filter(isHeldOut), topics, seed, count);
}
