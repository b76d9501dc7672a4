/** Questions that take two paragraphs to answer: those that train, and those that are held out. */
import { createRandom, takeInTurns } from '@agent-lightning/example-kit';

import { createLibrary, rolesOfTown, rolesOfWork, type Library, type Person, type Town, type Work } from './library.ts';

/** What is asked for in the first paragraph, which names the second one, and what is asked for there. */
export interface Hop {
  /** A word of the paragraph that says where in it the name stands. */
  readonly word: string;
  /** The paragraph's title. */
  readonly title: string;
  /** The name that is asked for, and the one that the paragraph says beside it. */
  readonly found: string;
  readonly other: string;
}

/** A question and its ground truth, which only the reward and the starting model's teacher may see. */
export interface Question {
  readonly kind: string;
  readonly question: string;
  readonly gold: string;
  readonly hops: readonly [Hop, Hop];
}

const relations = ['born', 'lives'] as const;
type Relation = (typeof relations)[number];

export const kinds: readonly string[] = [...Object.keys(rolesOfWork), 'town'].flatMap((about) =>
  relations.map((relation) => `${about}, ${relation}`),
);

/** The library that the agent reads: both sides of the split are in one index. No held-out question has a name of a training question. */
export const library: { readonly train: Library; readonly heldOut: Library } = {
  train: createLibrary('train', { worksOfType: 30, people: 60, towns: 30 }, createRandom(1)),
  heldOut: createLibrary('held out', { worksOfType: 20, people: 40, towns: 20 }, createRandom(2)),
};

/** `count` training questions that the seed picks, as many of each kind. */
export function trainingQuestions(seed: number, count?: number): readonly Question[] {
  return takeInTurns('training questions', questionsOf(library.train), kinds, seed, count);
}

/** `count` held-out questions that the seed picks, as many of each kind. */
export function validationQuestions(seed: number, count: number): readonly Question[] {
  return takeInTurns('held-out questions', questionsOf(library.heldOut), kinds, seed, count);
}

/** Everything that can be asked about a library, in a fixed order. */
export function questionsOf({ works, people }: Library): readonly Question[] {
  const all = [...works.flatMap(aboutWork), ...people.flatMap(aboutPerson)];
  return all.filter(({ gold, hops: [first] }) => gold !== first.title); // nobody is asked for by their own name
}

/** Where somebody behind a work was born, or lives. */
function aboutWork({ type, name, people }: Work): readonly Question[] {
  return rolesOfWork[type].flatMap((role, i) => {
    const [person, other] = [people[i]!, people[1 - i]!];
    const first: Hop = { word: role, title: name, found: person.name, other: other.name };
    const phrasings = {
      born: [`Where was the ${role} of ${name} born?`, `In which town was the ${role} of ${name} born?`],
      lives: [`Where does the ${role} of ${name} live?`, `In which town does the ${role} of ${name} live?`],
    };
    return relations.flatMap((relation) =>
      phrasings[relation].map((question) => ask(`${type}, ${relation}`, question, first, townHop(person, relation))),
    );
  });
}

/** Who has an office in the town where somebody was born, or lives. */
function aboutPerson(person: Person): readonly Question[] {
  return relations.flatMap((relation) => {
    const [town] = townsOf(person, relation);
    const where = `the town where ${person.name} ${relation === 'born' ? 'was born' : 'lives'}`;
    return rolesOfTown.flatMap((role, i) => {
      const second: Hop = { word: role, title: town.name, found: town.officials[i]!, other: town.officials[1 - i]! };
      return [`Who is the ${role} of ${where}?`, `Name the ${role} of ${where}.`].map((question) =>
        ask(`town, ${relation}`, question, townHop(person, relation), second),
      );
    });
  });
}

function ask(kind: string, question: string, first: Hop, second: Hop): Question {
  return { kind, question, gold: second.found, hops: [first, second] };
}

function townHop(person: Person, relation: Relation): Hop {
  const [town, other] = townsOf(person, relation);
  return { word: relation, title: person.name, found: town.name, other: other.name };
}

function townsOf({ birthplace, home }: Person, relation: Relation): readonly [Town, Town] {
  return relation === 'born' ? [birthplace, home] : [home, birthplace];
}
