/** The shop's database: what was ordered, and what the shop does about it. The agents reach it through two tools. */
import { DatabaseSync } from 'node:sqlite';

export const topics = ['refund', 'damaged', 'late', 'exchange', 'cancel', 'invoice'] as const;
/** The topics that a customer writes about. */
export type Topic = (typeof topics)[number];

export const decisions = [
  'refund',
  'credit',
  'replace',
  'repair',
  'wait',
  'resend',
  'exchange',
  'cancel',
  'invoice',
] as const;
/** The shop's possible decisions. */
export type Decision = (typeof decisions)[number];

export interface Order {
  readonly id: number;
  readonly item: string;
  readonly euros: number;
  /** Days since it was sent; 0 when it has not been sent yet. */
  readonly days: number;
}

/** Items by the room that they are for. */
export const rooms: readonly (readonly string[])[] = [
  ['lamp', 'sofa', 'rug', 'shelf'],
  ['kettle', 'pan', 'toaster', 'mixer'],
  ['spade', 'hose', 'bench', 'grill'],
];

/** The decision that a topic leads to, by the days since the order was sent: both ends belong to it. */
const policies: readonly (readonly [topic: Topic, fromDay: number, toDay: number, decision: Decision])[] = [
  ['refund', 0, 30, 'refund'],
  ['refund', 31, 999, 'credit'],
  ['damaged', 0, 60, 'replace'],
  ['damaged', 61, 999, 'repair'],
  ['late', 0, 7, 'wait'],
  ['late', 8, 999, 'resend'],
  ['exchange', 0, 30, 'exchange'],
  ['exchange', 31, 999, 'credit'],
  ['cancel', 0, 0, 'cancel'],
  ['cancel', 1, 999, 'wait'],
  ['invoice', 0, 999, 'invoice'],
];

const ordersOfAnItem = 8;
const ages = [0, 0, 3, 6, 14, 25, 45, 90];

/** Every order that there is, the same in every process. */
export const orders: readonly Order[] = rooms.flat().flatMap((item, number) =>
  Array.from({ length: ordersOfAnItem }, (_, turn) => ({
    id: 100 + (((number * ordersOfAnItem + turn) * 37) % 800),
    item,
    euros: 15 + 5 * ((number * 5 + turn * 3) % 16),
    days: ages[(turn + number) % ages.length] as number,
  })),
);

let opened: DatabaseSync | undefined;

function open(): DatabaseSync {
  if (opened !== undefined) return opened;
  const database = new DatabaseSync(':memory:');
  database.exec(`
    CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT NOT NULL, euros INTEGER NOT NULL, days INTEGER NOT NULL);
    CREATE TABLE policies (topic TEXT NOT NULL, from_day INTEGER NOT NULL, to_day INTEGER NOT NULL, decision TEXT NOT NULL);
  `);
  const order = database.prepare('INSERT INTO orders VALUES (?, ?, ?, ?)');
  for (const { id, item, euros, days } of orders) order.run(id, item, euros, days);
  const policy = database.prepare('INSERT INTO policies VALUES (?, ?, ?, ?)');
  for (const row of policies) policy.run(...row);
  return (opened = database);
}

/** The order of that number, if there is one. */
export function findOrder(id: number): Order | undefined {
  const row = open().prepare('SELECT id, item, euros, days FROM orders WHERE id = ?').get(id);
  return row === undefined ? undefined : { ...(row as unknown as Order) };
}

/** Returns the shop's decision about a topic for an order; undefined where no policy fits. */
export function findDecision(topic: string, orderId: number): Decision | undefined {
  const row = open()
    .prepare(
      'SELECT decision FROM policies, orders WHERE topic = ? AND orders.id = ? AND days BETWEEN from_day AND to_day',
    )
    .get(topic, orderId);
  return row?.['decision'] as Decision | undefined;
}
