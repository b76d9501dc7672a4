import { meanScore, type Candidate } from './candidate.ts';

/**
 * Says in what candidates can be the best. `task`: on a task, by the primary dimension of the reward. `dimension`: in the mean of a named dimension. `hybrid`: in one
 * of both. `cartesian`: in a dimension on a task.
 */
export type Frontier = 'task' | 'dimension' | 'hybrid' | 'cartesian';

/** The positions of the candidates that are the best, ascending, for each thing in which one can be. The shape is (V,) for `task`. */
export type Fronts = readonly (readonly number[])[];

/** The part of a candidate that fronts are made of. */
export type ScoredCandidate = Pick<Candidate, 'scores' | 'rewards'>;

/** Finds the candidates that no other one beats, for each thing in which one can be the best; equal ones all belong. */
export function findFronts(pool: readonly ScoredCandidate[], frontier: Frontier = 'task'): Fronts {
  const tasks = [...(pool[0]?.scores.keys() ?? [])];
  const byTask = (): Fronts => tasks.map((task) => findLeaders(pool.map(({ scores }) => scores[task]!)));
  if (frontier === 'task') return byTask();
  const names = findDimensions(pool);
  if (frontier === 'cartesian')
    return tasks.flatMap((task) =>
      names.map((name) => findLeaders(pool.map((candidate) => readDimension(candidate, task, name)))),
    );
  const byDimension = names.map((name) =>
    findLeaders(
      pool.map((candidate) => meanScore({ scores: tasks.map((task) => readDimension(candidate, task, name)) })),
    ),
  );
  return frontier === 'dimension' ? byDimension : [...byTask(), ...byDimension];
}

/** Returns the names of all dimensions of the rewards, in the order in which they come up. */
export function findDimensions(pool: readonly ScoredCandidate[]): readonly string[] {
  return [...new Set(pool.flatMap(({ rewards = [] }) => rewards.flatMap((named) => Object.keys(named))))];
}

/** Returns a dimension of the reward on a task. Where a rollout did not name it, such as one that failed, the reward itself stands for it. */
function readDimension({ scores, rewards }: ScoredCandidate, task: number, name: string): number {
  const named = rewards?.[task];
  return named !== undefined && Object.hasOwn(named, name) ? named[name]! : scores[task]!;
}

function findLeaders(values: readonly number[]): readonly number[] {
  const best = Math.max(...values);
  return [...values.keys()].filter((position) => values[position] === best);
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
export function weighParents(
  pool: readonly ScoredCandidate[],
  frontier: Frontier = 'task',
): ReadonlyMap<number, number> {
  const places = removeDominated(findFronts(pool, frontier), pool.map(meanScore)).flat();
  const counts = new Map<number, number>();
  for (const position of places) counts.set(position, (counts.get(position) ?? 0) + 1);
  return new Map([...counts].map(([position, count]) => [position, count / places.length]));
}
