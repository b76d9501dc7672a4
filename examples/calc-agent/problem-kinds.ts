/**
 * The eight kinds of word problem: how each is told, and which expression solves it. Every number in a problem and every
 * result is from 2 to 99, so that the example's tokenizer has a token for it.
 */
import { pick, type Random } from '@agent-lightning/example-kit';

export const kinds = ['gain', 'loss', 'compare', 'boxes', 'share', 'boxes and more', 'boxes less', 'pool'] as const;

export type ProblemKind = (typeof kinds)[number];

/** A problem as it is told, and the expression that solves it. */
export interface Telling {
  readonly question: string;
  readonly expression: string;
}

const people = ['Mia', 'Leo', 'Ana', 'Ben', 'Eva', 'Tom', 'Zoe', 'Max', 'Ida', 'Sam', 'Lea', 'Jon'];
const things = ['apples', 'coins', 'stamps', 'cards', 'pens', 'books', 'shells', 'beads', 'nuts', 'eggs'];
const largest = 99;
const boxes = ['boxes', 'bags', 'baskets', 'jars'];

/** Tells one problem of the kind; all that is random in it comes from `random`. */
export function tell(kind: ProblemKind, random: Random): Telling {
  const between = (from: number, to: number): number => from + Math.floor(random() * (to - from + 1));
  const first = pick(people, random);
  const second = pick(
    people.filter((name) => name !== first),
    random,
  );
  const cast = { first, second, things: pick(things, random), boxes: pick(boxes, random) };
  const { expression, phrasings } = kindsOf[kind](cast, between);
  return { expression, question: pick(phrasings, random) };
}

interface Cast {
  readonly first: string;
  readonly second: string;
  readonly things: string;
  readonly boxes: string;
}

interface Plan {
  readonly expression: string;
  readonly phrasings: readonly string[];
}

/** A whole number from the first to the second, both included. */
type Between = (from: number, to: number) => number;

const kindsOf: Readonly<Record<ProblemKind, (cast: Cast, between: Between) => Plan>> = {
  gain({ first, second, things }, between) {
    const a = between(11, 79);
    const b = between(2, largest - a);
    return {
      expression: `${a} + ${b}`,
      phrasings: [
        `${first} has ${a} ${things} and buys ${b} more. How many ${things} does ${first} have now?`,
        `${first} finds ${a} ${things} and ${second} finds ${b}. How many ${things} do they find together?`,
        `There are ${a} ${things} on the table. ${first} adds ${b}. How many ${things} are there now?`,
      ],
    };
  },
  loss({ first, second, things }, between) {
    const a = between(21, largest);
    const b = between(2, a - 2);
    return {
      expression: `${a} - ${b}`,
      phrasings: [
        `${first} has ${a} ${things} and gives ${b} to ${second}. How many ${things} are left?`,
        `There were ${a} ${things}. ${first} took ${b} of them. How many ${things} remain?`,
        `${first} had ${a} ${things} and lost ${b}. How many ${things} does ${first} still have?`,
      ],
    };
  },
  compare({ first, second, things }, between) {
    const a = between(21, largest);
    const b = between(2, a - 2);
    return {
      expression: `${a} - ${b}`,
      phrasings: [
        `${first} has ${a} ${things} and ${second} has ${b}. How many more ${things} does ${first} have?`,
        `${first} has ${b} ${things} and ${second} has ${a}. How many fewer ${things} does ${first} have?`,
      ],
    };
  },
  boxes({ first, things, boxes }, between) {
    const a = between(2, 12);
    const b = between(2, Math.floor(largest / a));
    return {
      expression: `${a} * ${b}`,
      phrasings: [
        `${first} has ${a} ${boxes} with ${b} ${things} in each. How many ${things} are there?`,
        `There are ${a} ${boxes} of ${b} ${things}. How many ${things} is that?`,
      ],
    };
  },
  share({ first, things, boxes }, between) {
    const a = between(2, 12);
    const b = between(2, Math.floor(largest / a));
    return {
      expression: `${a * b} / ${a}`,
      phrasings: [
        `${first} shares ${a * b} ${things} among ${a} friends. How many ${things} does each one get?`,
        `${a * b} ${things} are put into ${a} ${boxes}, as many in each. How many ${things} are in one?`,
      ],
    };
  },
  'boxes and more'({ first, things, boxes }, between) {
    const a = between(2, 9);
    const b = between(2, Math.floor(80 / a));
    const c = between(2, largest - a * b);
    return {
      expression: `${a} * ${b} + ${c}`,
      phrasings: [
        `${first} has ${a} ${boxes} with ${b} ${things} in each, and ${c} loose ${things}. How many ${things} in all?`,
        `${first} fills ${a} ${boxes} with ${b} ${things} each and has ${c} over. How many ${things} were there?`,
      ],
    };
  },
  'boxes less'({ first, second, things, boxes }, between) {
    const a = between(2, 9);
    const b = between(4, Math.floor(largest / a));
    const c = between(2, a * b - 2);
    return {
      expression: `${a} * ${b} - ${c}`,
      phrasings: [
        `${first} buys ${a} ${boxes} with ${b} ${things} in each and gives ${c} ${things} away. How many are left?`,
        `${first} packs ${a} ${boxes} of ${b} ${things}, and ${second} eats ${c}. How many ${things} remain?`,
      ],
    };
  },
  pool({ first, second, things }, between) {
    const n = between(2, 9);
    const all = n * between(3, Math.floor(largest / n));
    const a = between(2, all - 2);
    const b = all - a;
    return {
      expression: `(${a} + ${b}) / ${n}`,
      phrasings: [
        `${first} has ${a} ${things}, ${second} has ${b}. They share all among ${n} friends. How many does each get?`,
        `${first} and ${second} put ${a} and ${b} ${things} into ${n} equal piles. How many ${things} are in a pile?`,
      ],
    };
  },
};
