/** The mistakes that the starting model is taught, and how often it makes each. */
import { kinds } from '../questions.ts';

/** Mistakes of one run of the agent: which of them it makes. */
export interface Mistakes {
  /** Searches for the word alone, without the name. */
  readonly forgetsTheName: boolean;
  /** Searches first for the other thing that is known: for the editor instead of the author. */
  readonly startsWithTheOther: boolean;
  /** Answers with the name that the first search found. */
  readonly answersEarly: boolean;
  /** Searches for the same again, and answers with the name that it found. */
  readonly searchesAgain: boolean;
  /** Searches in the end for the other thing that is known: the home instead of the birthplace. */
  readonly endsWithTheOther: boolean;
  /** Answers with the whole sentence. */
  readonly quotes: boolean;
  /** Says the answer in another form than it was told. */
  readonly forgetsTheForm: boolean;
}

const firm = 0.82;
const weak = 0.1;

/** The probability of each mistake, in [0, 1]. A third of the kinds has each firm habit; greedy decoding follows the firm ones only. */
export function habitsOf(kind: string): Readonly<Record<keyof Mistakes, number>> {
  const third = kinds.indexOf(kind) % 3;
  return {
    forgetsTheName: weak,
    startsWithTheOther: weak,
    answersEarly: third === 1 ? firm : weak,
    searchesAgain: third === 2 ? firm : weak,
    endsWithTheOther: weak,
    quotes: third === 1 ? weak : firm,
    forgetsTheForm: weak,
  };
}
