/** The texts of every component of an agent, by the component's name. */
export type Texts = Readonly<Record<string, string>>;

/** A set of prompts that was accepted, and how it did. */
export interface Candidate {
  readonly texts: Texts;
  /** Positions in the pool of the candidates that it was made of: none for the first, one for a mutation, two for a merge. */
  readonly parents: readonly number[];
  /** The reward on each selection task, shape (V,). */
  readonly scores: readonly number[];
  /** Every named dimension of the reward on each selection task, shape (V,), in the order of the scores. @default the score alone */
  readonly rewards?: readonly Readonly<Record<string, number>>[];
}

/** Returns the mean reward of a candidate over the selection tasks. */
export function meanScore({ scores }: Pick<Candidate, 'scores'>): number {
  return scores.reduce((sum, score) => sum + score, 0) / scores.length;
}

/** Returns the position of the candidate with the highest mean reward; among equal ones the earliest. */
export function findBest(pool: readonly Pick<Candidate, 'scores'>[]): number {
  const means = pool.map(meanScore);
  return means.indexOf(Math.max(...means));
}

/** Returns the positions of all candidates that a candidate descends from. */
export function findAncestors(pool: readonly Pick<Candidate, 'parents'>[], position: number): ReadonlySet<number> {
  const ancestors = new Set(pool[position]!.parents);
  // What is added while the set is walked is walked, too.
  for (const each of ancestors) for (const parent of pool[each]!.parents) ancestors.add(parent);
  return ancestors;
}

/** Tells whether two sets of prompts are the same, text for text. */
export function isSameTexts(one: Texts, other: Texts): boolean {
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => one[name] === other[name]);
}
