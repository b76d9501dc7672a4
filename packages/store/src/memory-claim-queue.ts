import type { Rollout } from '@agent-lightning/core';
import type { ClaimableFilter } from './records.ts';

/** Holds a `rollout` as it was when it was queued. */
interface Entry {
  readonly rollout: Rollout;
  readonly ordinal: number;
}

/** Keeps queued rollouts in claiming order: a binary heap for each queue, mode and run, merged at the claim. */
export class MemoryClaimQueue {
  readonly #heaps: Map<string, Entry[]> = new Map();

  add(rollout: Rollout, ordinal: number): void {
    const key = keyOf(rollout);
    let heap = this.#heaps.get(key);
    if (heap === undefined) this.#heaps.set(key, (heap = []));
    push(heap, { rollout, ordinal });
  }

  /**
   * Takes out the ids of at most `limit` rollouts, in claiming order.
   * @param isClaimable tells `stale` entries, which are dropped, from those which must wait
   */
  take(
    filter: ClaimableFilter,
    limit: number,
    isClaimable: (rolloutId: string, ordinal: number) => 'yes' | 'later' | 'stale',
  ): readonly string[] {
    const heaps = this.#matching(filter);
    const taken: string[] = [];
    const later: [Entry[], Entry][] = [];
    while (taken.length < limit) {
      const heap = foremost(heaps);
      if (heap === undefined) break;
      const entry = pop(heap);
      const answer = isClaimable(entry.rollout.rolloutId, entry.ordinal);
      if (answer === 'yes') taken.push(entry.rollout.rolloutId);
      if (answer === 'later') later.push([heap, entry]);
    }
    for (const [heap, entry] of later) push(heap, entry);
    for (const [key, heap] of this.#heaps) if (heap.length === 0) this.#heaps.delete(key);
    return taken;
  }

  /** Yields the queued rollouts of a filter, in no order; stale ones included. */
  *entries(filter: ClaimableFilter): Generator<Entry, void, undefined> {
    for (const heap of this.#matching(filter)) for (const entry of heap) yield entry;
  }

  #matching(filter: ClaimableFilter): Entry[][] {
    return [...this.#heaps.values()].filter((heap) => {
      const rollout = heap[0]?.rollout;
      return (
        rollout !== undefined &&
        filter.queues.includes(rollout.queue) &&
        (filter.modes.length === 0 || filter.modes.includes(rollout.mode)) &&
        (filter.runId === undefined || filter.runId === rollout.runId)
      );
    });
  }
}

function keyOf(rollout: Rollout): string {
  return `${rollout.queue} ${rollout.mode} ${rollout.runId ?? ''}`;
}

function isBefore(left: Entry, right: Entry): boolean {
  const byPriority = right.rollout.priority - left.rollout.priority;
  return byPriority === 0 ? left.ordinal < right.ordinal : byPriority < 0;
}

function foremost(heaps: readonly Entry[][]): Entry[] | undefined {
  let best: Entry[] | undefined;
  for (const heap of heaps) {
    const entry = heap[0];
    if (entry !== undefined && (best?.[0] === undefined || isBefore(entry, best[0]))) best = heap;
  }
  return best;
}

function push(heap: Entry[], entry: Entry): void {
  let at = heap.push(entry) - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!isBefore(entry, heap[parent] as Entry)) break;
    heap[at] = heap[parent] as Entry;
    at = parent;
  }
  heap[at] = entry;
}

/** Takes the foremost entry out of a heap that is not empty. */
function pop(heap: Entry[]): Entry {
  const top = heap[0] as Entry;
  const last = heap.pop() as Entry;
  if (heap.length === 0) return top;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && isBefore(heap[child + 1] as Entry, heap[child] as Entry)) child++;
    if (!isBefore(heap[child] as Entry, last)) break;
    heap[at] = heap[child] as Entry;
    at = child;
  }
  heap[at] = last;
  return top;
}
