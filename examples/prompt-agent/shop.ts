/** The shop: what was ordered, and what the shop does about it. The agent reaches it through two tools. */
export const topics = ['refund', 'damaged', 'late', 'exchange', 'cancel', 'invoice'] as const;
/** The topics that a customer writes about. */
export type Topic = (typeof topics)[number];

export const decisions = [
  'refund',
  'credit',
  'replace',
  'repair',
  'await',
  'resend',
  'swap',
  'cancel',
  'bill',
] as const;
/** The shop's possible decisions, each by its verb. */
export type Decision = (typeof decisions)[number];

export interface Order {
  readonly id: number;
  readonly item: string;
  readonly euros: number;
  /** Days since it was sent; 0 when it has not been sent yet. */
  readonly days: number;
}

/** A decision up to an age of the order in days, and the one after that. */
const policies: Readonly<Record<Topic, readonly [upTo: number, Decision, Decision]>> = {
  refund: [30, 'refund', 'credit'],
  damaged: [30, 'replace', 'repair'],
  late: [10, 'await', 'resend'],
  exchange: [30, 'swap', 'credit'],
  cancel: [0, 'cancel', 'refund'],
  invoice: [999, 'bill', 'bill'],
};

const items = ['lamp', 'sofa', 'rug', 'kettle', 'pan', 'mixer', 'hose', 'grill'];
const ages = [0, 4, 20, 60, 90];

/** Every order that there is: each item at each age. */
export const orders: readonly Order[] = items.flatMap((item, number) =>
  ages.map((days, turn) => ({
    id: 100 + number * ages.length + turn,
    item,
    euros: 15 + 5 * ((number * 5 + turn * 3) % 16),
    days,
  })),
);

/** @throws RangeError when there is no such order */
export function findOrder(id: number): Order {
  const order = orders.find((each) => each.id === id);
  if (order === undefined) throw new RangeError(`There is no order ${id}.`);
  return order;
}

/** Returns the shop's decision about a topic for an order; undefined for a topic that it does not know. */
export function findDecision(topic: string, { days }: Order): Decision | undefined {
  if (!Object.hasOwn(policies, topic)) return undefined;
  const [upTo, early, late] = policies[topic as Topic];
  return days <= upTo ? early : late;
}

/** Writes an order as the tool `look_up_order` says it. */
export function describeOrder({ item, euros, days }: Order): string {
  return `${item}, ${euros} euros, sent ${days} days ago`;
}
