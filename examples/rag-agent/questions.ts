/** Questions that take two facts to answer: those that train, and those that are held out. */
import { seededRandom } from '@agent-lightning/core';
import { takeInTurns } from '@agent-lightning/example-kit';

import { createLibrary, rolesOfTown, rolesOfWork, type Library, type Person, type Work } from './library.ts';

/** One of the two facts that a question needs. */
export interface Hop {
  /** The thing that is asked for, as the library calls it, and the other thing that it knows of the same title. */
  readonly word: string;
  readonly otherWord: string;
  /** The work, person or town that the question is about. */
  readonly title: string;
  /** The name that the fact gives. */
  readonly found: string;
}

/** A question and its ground truth, which only the reward and the starting model's teacher may see. */
export interface Question {
  readonly kind: string;
  readonly question: string;
  readonly gold: string;
  readonly hops: readonly [Hop, Hop];
}

const relations = ['birthplace', 'home'] as const;
type Relation = (typeof relations)[number];

export const kinds: readonly string[] = [...Object.keys(rolesOfWork), 'town'].flatMap((about) =>
  relations.map((relation) => `${about}, ${relation}`),
);

/** The library that the agent reads: both sides of the split are in one index. No held-out question has a name of a training question. */
export const library: { readonly train: Library; readonly heldOut: Library } = {
  train: createLibrary('train', { worksOfType: 20, people: 45, towns: 24 }, seededRandom(1)),
  heldOut: createLibrary('held out', { worksOfType: 12, people: 30, towns: 16 }, seededRandom(2)),
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

/** Asks where somebody behind a work was born, or lives. */
function aboutWork({ type, name, people }: Work): readonly Question[] {
  return rolesOfWork[type].flatMap((role, i) => {
    const person = people[i]!;
    const first: Hop = { word: role, otherWord: rolesOfWork[type][1 - i]!, title: name, found: person.name };
    const phrasings = {
      birthplace: [`Where was the ${role} of ${name} born?`, `In which town was the ${role} of ${name} born?`],
      home: [`Where does the ${role} of ${name} live?`, `In which town does the ${role} of ${name} live?`],
    };
    return relations.flatMap((relation) =>
      phrasings[relation].map((question) => ask(`${type}, ${relation}`, question, first, townHop(person, relation))),
    );
  });
}

/** Asks who has an office in the town where somebody was born, or lives. */
function aboutPerson(person: Person): readonly Question[] {
  return relations.flatMap((relation) => {
    const town = person[relation];
    const where = `the town where ${person.name} ${relation === 'birthplace' ? 'was born' : 'lives'}`;
    return rolesOfTown.flatMap((role, i) => {
      const second: Hop = {
        word: role,
        otherWord: rolesOfTown[1 - i]!,
        title: town.name,
        found: town.officials[i]!,
      };
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
  const otherWord = relation === 'birthplace' ? 'home' : 'birthplace';
  return { word: relation, otherWord, title: person.name, found: person[relation].name };
}
