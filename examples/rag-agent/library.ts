/** The small world that the agent reads about: works, people and towns, and a sentence for each thing that is known of them. */
import { shuffled, type Random } from '@agent-lightning/example-kit';
import { namesOf, type Side } from './names.ts';

/** The two people behind a work, by what it is. */
export const rolesOfWork = {
  book: ['author', 'editor'],
  film: ['director', 'writer'],
  firm: ['founder', 'chief'],
} as const;
export const rolesOfTown = ['mayor', 'judge'] as const;

export type WorkType = keyof typeof rolesOfWork;

export interface Work {
  readonly type: WorkType;
  readonly name: string;
  /** The people, in the order of `rolesOfWork`. */
  readonly people: readonly [Person, Person];
}

export interface Person {
  readonly name: string;
  readonly birthplace: Town;
  readonly home: Town;
}

export interface Town {
  readonly name: string;
  /** The names of the officials, in the order of `rolesOfTown`. */
  readonly officials: readonly [string, string];
}

/** One side of the split: whatever it mentions is on the same side. */
export interface Library {
  readonly works: readonly Work[];
  readonly people: readonly Person[];
  readonly towns: readonly Town[];
}

export interface Document {
  readonly title: string;
  readonly text: string;
}

export interface LibrarySize {
  readonly worksOfType: number;
  readonly people: number;
  readonly towns: number;
}

/** A library that `random` decides. */
export function createLibrary(side: Side, size: LibrarySize, random: Random): Library {
  const names = shuffled(namesOf('person', side), random).slice(0, size.people);
  const towns = shuffled(namesOf('town', side), random)
    .slice(0, size.towns)
    .map((name): Town => ({ name, officials: two(names, random) }));
  const people = names.map((name): Person => {
    const [birthplace, home] = two(towns, random);
    return { name, birthplace, home };
  });
  const titles = shuffled(namesOf('work', side), random);
  const types = Object.keys(rolesOfWork) as WorkType[];
  const works = types.flatMap((type, i) =>
    titles
      .slice(i * size.worksOfType, (i + 1) * size.worksOfType)
      .map((name): Work => ({ type, name, people: two(people, random) })),
  );
  return { works, people, towns };
}

/** Writes a library as text: a sentence for each fact. */
export function documentsOf({ works, people, towns }: Library): readonly Document[] {
  return [
    ...works.flatMap(({ name, type, people: pair }) =>
      rolesOfWork[type].map((role, i) => fact(role, name, pair[i]!.name)),
    ),
    ...people.flatMap(({ name, birthplace, home }) => [
      fact('birthplace', name, birthplace.name),
      fact('home', name, home.name),
    ]),
    ...towns.flatMap(({ name, officials }) => rolesOfTown.map((role, i) => fact(role, name, officials[i]!))),
  ];
}

function fact(word: string, title: string, name: string): Document {
  return { title, text: `The ${word} of ${title} is ${name}.` };
}

function two<T>(items: readonly T[], random: Random): [T, T] {
  const i = Math.floor(random() * items.length);
  const j = (i + 1 + Math.floor(random() * (items.length - 1))) % items.length;
  return [items[i] as T, items[j] as T];
}
