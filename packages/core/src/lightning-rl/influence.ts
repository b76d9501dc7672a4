/**
 * The order of a rollout's calls as cause has it: a call can have influenced those that came after it, but not those that ran beside it.
 * The distance of two calls is the length of the longest chain between them; where nothing ran in parallel, it is the difference of their
 * indexes.
 */
import type { Transition } from '../transitions/transition.ts';

/** The calls that each call can have influenced, all of them, by index, ascending. */
export type Influence = readonly (readonly number[])[];

/** Tells whether no call ran beside another, so that every call can have influenced all calls after it. */
export function isSequence(calls: readonly Transition[]): boolean {
  return calls.every(({ beside = [] }) => beside.length === 0);
}

/** Returns the calls that each call can have influenced; of K calls in sequence, K²/2 numbers. */
export function findInfluence(calls: readonly Transition[]): Influence {
  const beside = calls.map((call) => new Set(call.beside));
  return calls.map(({ spanId }, index) =>
    calls.flatMap((_, later) => (later > index && !beside[later]!.has(spanId) ? [later] : [])),
  );
}

/** Returns the calls of the longest chain from each call to an end, itself not counted: 0 for a call that nothing followed; shape (K,). */
export function distancesToEnd(influence: Influence): Int32Array {
  const distances = new Int32Array(influence.length);
  for (let index = influence.length - 1; index >= 0; index -= 1)
    for (const later of influence[index]!) distances[index] = Math.max(distances[index]!, distances[later]! + 1);
  return distances;
}

/** Returns the distance from one call to each of those that it can have influenced, by index. */
export function distancesFrom(index: number, influence: Influence): ReadonlyMap<number, number> {
  const distances = new Map(influence[index]!.map((later) => [later, 1]));
  for (const [between, distance] of distances)
    for (const later of influence[between]!)
      if (distances.has(later)) distances.set(later, Math.max(distances.get(later)!, distance + 1));
  return distances;
}

/**
 * Names the position of each call: its agent, and how many of that agent's calls came before it in a chain, so that positions are the
 * same whatever parallel call answered first.
 */
export function positionsOf(calls: readonly Transition[]): readonly string[] {
  const occurrences = isSequence(calls) ? countBefore(calls) : chainBefore(calls);
  return calls.map(({ agentName }, index) => JSON.stringify([agentName, occurrences[index]]));
}

function countBefore(calls: readonly Transition[]): Int32Array {
  const counts = new Map<string, number>();
  return Int32Array.from(calls, ({ agentName }) => {
    const count = counts.get(agentName) ?? 0;
    counts.set(agentName, count + 1);
    return count;
  });
}

function chainBefore(calls: readonly Transition[]): Int32Array {
  const occurrences = new Int32Array(calls.length);
  findInfluence(calls).forEach((influenced, index) => {
    for (const later of influenced)
      if (calls[later]!.agentName === calls[index]!.agentName)
        occurrences[later] = Math.max(occurrences[later]!, occurrences[index]! + 1);
  });
  return occurrences;
}
