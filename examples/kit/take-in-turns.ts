/** Chooses tasks so that every kind of task is there about equally often. */
import { seededRandom } from '@agent-lightning/core';
import { shuffled } from './random.ts';

/**
 * One item of each kind, then another of each, in an order that the seed decides: `count` of them, or all.
 *
 * @param what names the items in the error
 * @throws RangeError when there are fewer than `count`
 */
export function takeInTurns<T extends { readonly kind: string }>(
  what: string,
  items: readonly T[],
  kinds: readonly T['kind'][],
  seed: number,
  count: number = items.length,
): readonly T[] {
  if (count > items.length) {
    throw new RangeError(`${count} ${what} were asked for, and there are ${items.length}.`);
  }
  const random = seededRandom(seed);
  const queues = kinds.map((kind) =>
    shuffled(
      items.filter((item) => item.kind === kind),
      random,
    ),
  );
  const turns = Math.max(...queues.map((queue) => queue.length));
  return Array.from({ length: turns }, (_, turn) => queues.flatMap((queue) => queue.slice(turn, turn + 1)))
    .flat()
    .slice(0, count);
}
