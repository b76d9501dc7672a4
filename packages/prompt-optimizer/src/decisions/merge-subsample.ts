import { drawSome } from './draws.ts';

/**
 * Draws the selection tasks on which a merge is tried first: up to a third each of those where one candidate is better, where the other
 * one is, and where they are equal, then any others.
 * @param first the rewards of one candidate on the selection tasks @param second those of the other @returns positions of tasks, `size` or all
 */
export function drawMergeSubsample(
  first: readonly number[],
  second: readonly number[],
  size: number,
  random: () => number,
): readonly number[] {
  const all = [...first.keys()];
  const buckets = [
    all.filter((task) => first[task]! > second[task]!),
    all.filter((task) => second[task]! > first[task]!),
    all.filter((task) => first[task] === second[task]),
  ];
  const share = Math.max(1, Math.ceil(size / 3));
  const drawn: number[] = [];
  for (const bucket of buckets) drawn.push(...drawSome(bucket, Math.min(share, size - drawn.length), random));
  const unused = all.filter((task) => !drawn.includes(task));
  return [...drawn, ...drawSome(unused, size - drawn.length, random)];
}
