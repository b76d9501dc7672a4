/** The shop: what it sells, and what can be asked of it. */
import { hashText, takeInTurns } from '@agent-lightning/example-kit';

/** What the shop knows of an item. */
export interface Item {
  readonly item: string;
  /** Pieces that are there. */
  readonly count: number;
  /** The number of its shelf. */
  readonly shelf: number;
  /** In dollars. */
  readonly price: number;
}

/** A question about an item, and its answer, which only a look into the shop's list tells. */
export interface ShopQuestion {
  readonly kind: 'count' | 'shelf' | 'price';
  readonly question: string;
  readonly answer: number;
}

const colors = ['red', 'blue', 'green', 'white', 'black', 'yellow', 'brown', 'gray'];
const things = [
  'chairs',
  'tables',
  'lamps',
  'desks',
  'sofas',
  'beds',
  'mirrors',
  'rugs',
  'plates',
  'clocks',
  'vases',
  'stools',
];
const kinds = ['count', 'shelf', 'price'] as const;

/** Every fourth item is asked for in validation alone. */
const heldOutEvery = 4;

/** All items, in a fixed order; their numbers follow from their names. */
export const items: readonly Item[] = colors.flatMap((color) =>
  things.map((thing) => {
    const item = `${color} ${thing}`;
    const number = (what: string, most: number): number => 2 + (hashText(`${what} of ${item}`) % (most - 1));
    return { item, count: number('count', 98), shelf: number('shelf', 60), price: number('price', 240) };
  }),
);

/** Returns what the shop knows of an item, or undefined where it has none of that name. */
export function findItem(name: string): Item | undefined {
  const wanted = name.trim().toLowerCase();
  return items.find(({ item }) => item === wanted);
}

/** Returns questions to train on, in an order that the seed decides; every kind is there about equally often. */
export function trainingQuestions(seed: number, count?: number): readonly ShopQuestion[] {
  return takeInTurns(
    'training questions',
    ask((index) => !isHeldOut(index)),
    kinds,
    seed,
    count,
  );
}

/** Returns held-out questions; none of their items is trained on. */
export function validationQuestions(seed: number, count?: number): readonly ShopQuestion[] {
  return takeInTurns('validation questions', ask(isHeldOut), kinds, seed, count);
}

function isHeldOut(index: number): boolean {
  return index % heldOutEvery === heldOutEvery - 1;
}

function ask(takes: (index: number) => boolean): readonly ShopQuestion[] {
  return items.filter((_, index) => takes(index)).flatMap((item) => kinds.map((kind) => makeQuestion(item, kind)));
}

function makeQuestion({ item, count, shelf, price }: Item, kind: ShopQuestion['kind']): ShopQuestion {
  if (kind === 'count') return { kind, question: `How many ${item} do we have?`, answer: count };
  if (kind === 'shelf') return { kind, question: `On which shelf are the ${item}?`, answer: shelf };
  return { kind, question: `What do the ${item} cost?`, answer: price };
}
