import { meanScore, type Candidate } from './candidate.ts';

/** Shape (V,): for each selection task the positions of the candidates with the highest reward on it, ascending. */
export type Fronts = readonly (readonly number[])[];

/** Finds for each selection task the candidates that no other one beats on it; equal ones all belong. */
export function findFronts(pool: readonly Pick<Candidate, 'scores'>[]): Fronts {
  const tasks = pool[0]?.scores.length ?? 0;
  return Array.from({ length: tasks }, (_, task) => {
    const best = Math.max(...pool.map(({ scores }) => scores[task]!));
    return [...pool.keys()].filter((position) => pool[position]!.scores[task] === best);
  });
}

/**
 * Removes dominated candidates from the fronts. Going up by mean reward, a candidate is dominated when in every front
 * that it is in there is another one that is still left. Of equal means, the one that comes first in the fronts is looked at first.
 * @param means the mean reward of each candidate of the pool
 */
export function removeDominated(fronts: Fronts, means: readonly number[]): Fronts {
  const left = new Set(fronts.flat());
  const rising = [...left].sort((one, other) => means[one]! - means[other]!);
  for (const position of rising) {
    const isDominated = fronts
      .filter((front) => front.includes(position))
      .every((front) => front.some((other) => other !== position && left.has(other)));
    if (isDominated) left.delete(position);
  }
  return fronts.map((front) => front.filter((position) => left.has(position)));
}

/**
 * Returns the probability with which each undominated candidate becomes a parent: its share of the places in the
 * fronts. The keys are in the order in which the candidates come up in the fronts.
 */
export function weighParents(pool: readonly Pick<Candidate, 'scores'>[]): ReadonlyMap<number, number> {
  const places = removeDominated(findFronts(pool), pool.map(meanScore)).flat();
  const counts = new Map<number, number>();
  for (const position of places) counts.set(position, (counts.get(position) ?? 0) + 1);
  return new Map([...counts].map(([position, count]) => [position, count / places.length]));
}
