/** The mistakes that the starting model is taught, and how often it makes each. */
import { kinds } from '../questions.ts';

/** Mistakes of one run of the agent: which of them it makes. */
export interface Mistakes {
  /** Searches for the word alone, without the name. */
  readonly forgetsTheName: boolean;
  /** Answers with the name that the first paragraph gives. */
  readonly answersEarly: boolean;
  /** Goes on with the other name of the first paragraph. */
  readonly followsTheOther: boolean;
  /** Answers with the other name of the second paragraph. */
  readonly takesTheOther: boolean;
  /** Answers with the whole sentence. */
  readonly quotes: boolean;
  /** Says the answer in another form than it was told. */
  readonly forgetsTheForm: boolean;
}

const firm = 0.82;
const weak = 0.12;

/** How often each mistake is made, in [0, 1]. A third of the kinds has each firm habit; greedy decoding follows the firm ones only. */
export function habitsOf(kind: string): Readonly<Record<keyof Mistakes, number>> {
  const third = kinds.indexOf(kind) % 3;
  return {
    forgetsTheName: weak,
    answersEarly: third === 1 ? firm : weak,
    followsTheOther: third === 2 ? firm : weak,
    takesTheOther: weak,
    quotes: third === 1 ? weak : firm,
    forgetsTheForm: weak,
  };
}
