/** Every name in the library: two words, each from a closed list, so that a name is two tokens of the tiny model. */
import { hashText, pick, type Random } from '@agent-lightning/example-kit';

const words = (text: string): readonly string[] => text.split(' ');

/** The words that names are made of: a name of a kind is a first word and a second one. */
const vocabularies = {
  person: {
    first: words(
      'Ann Tom Kate Paul Lucy Mark Emma Hugo Nora Carl Rosa Finn Clara Oscar Ida Leon Mia Peter Vera Simon Julia Frank Alice Max',
    ),
    second: words(
      'Reed Hall Long Fox Stone Wells Grant Cole Berg Shaw Dale Hunt Page Lamb Price Ross Webb Nash Boyd Kerr Lowe Moss Pratt Quinn',
    ),
  },
  town: {
    first: words('Port Glen Lake Fort Mount New Saint Upper East West North South'),
    second: words(
      'Ashby Marlow Denton Kirby Selby Corley Holton Milford Norwood Oakham Preston Radley Stanton Tilbury Walton Yardley Barton Camden Elmore Farley',
    ),
  },
  work: {
    first: words(
      'Silver Red Blue Cold Dark Golden Green Hidden Last Little Lost Old Quiet Second Secret Small Wild Winter Broken Distant',
    ),
    second: words(
      'River Moon Star Garden Island Road House Bridge Forest Mirror Door Tower Summer Voyage Letter Clock Storm Harbor Lantern Crown',
    ),
  },
} as const;

export type NameKind = keyof typeof vocabularies;

/** The two sides of the split. */
export type Side = 'train' | 'held out';

/** The side of a name: a quarter of all names, by their hash, are held out. */
export function sideOf(name: string): Side {
  return hashText(name) % 4 === 0 ? 'held out' : 'train';
}

/** Every name of a kind on one side, in a fixed order. */
export function namesOf(kind: NameKind, side: Side): readonly string[] {
  const { first, second } = vocabularies[kind];
  return first.flatMap((a) => second.map((b) => `${a} ${b}`)).filter((name) => sideOf(name) === side);
}

/** Two words of names, whatever they name, that are no held-out name: made up, to practise on. */
export function madeUpName(random: Random): string {
  for (;;) {
    const all = Object.values(vocabularies);
    const name = `${pick(pick(all, random).first, random)} ${pick(pick(all, random).second, random)}`;
    if (sideOf(name) === 'train') return name;
  }
}
