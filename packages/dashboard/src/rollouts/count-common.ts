import type { ViewEntry } from '@agent-lightning/report';

/** Counts the entries with which all of these lists begin alike: after them the rollouts part. */
export function countCommon(lists: readonly (readonly ViewEntry[])[]): number {
  const [first = [], ...others] = lists.map((entries) => entries.map((entry) => JSON.stringify(entry)));
  let count = 0;
  while (count < first.length && others.every((other) => other[count] === first[count])) count += 1;
  return count;
}
