import { useEffect, useRef, useState } from 'preact/hooks';
import type { RolloutEntry, RolloutPage } from '../../../src/api.ts';
import { ask, changes } from '../fetch.ts';

/** The rows of one request. */
const pageSize = 100;
/** The pages that are kept; those that were seen longest ago are forgotten. */
const keptPages = 40;

/** The rows of the long table, of which only those near the window are known. */
export interface RolloutRows extends Omit<RolloutPage, 'items'> {
  readonly error: string | undefined;
  /** Returns a row, or undefined for one that is being read. */
  readonly at: (index: number) => RolloutEntry | undefined;
  /** Sees to it that these rows are read. */
  readonly want: (first: number, last: number) => void;
}

const nothing = { total: 0, offset: 0, read: 0, isComplete: false, statuses: {}, failures: {} };

/** Reads the rollouts that a filter selects, page by page as they are wanted, and again when they changed. */
export function useRolloutRows(run: string, filter: string): RolloutRows {
  const [, redraw] = useState(0);
  const key = `${run}?${filter}`;
  const kept = useRef(newCache(key));
  if (kept.current.key !== key) kept.current = newCache(key);
  const cache = kept.current;
  const change = changes.rollouts.value;

  const read = (page: number): void => {
    if (cache.asked.has(page)) return;
    cache.asked.add(page);
    ask<RolloutPage>(
      `/api/runs/${encodeURIComponent(run)}/rollouts?offset=${page * pageSize}&limit=${pageSize}${filter === '' ? '' : `&${filter}`}`,
    )
      .then(({ items, ...counts }) => {
        cache.pages.delete(page);
        cache.pages.set(page, items);
        cache.counts = counts;
        cache.error = undefined;
        for (const oldest of cache.pages.keys()) {
          if (cache.pages.size <= keptPages) break;
          cache.pages.delete(oldest);
        }
      })
      .catch((error: unknown) => (cache.error = error instanceof Error ? error.message : String(error)))
      .finally(() => {
        cache.asked.delete(page);
        if (cache.again.delete(page)) read(page);
        redraw((count) => count + 1);
      });
  };

  useEffect(() => {
    // What is not in the window is read again when it comes into it.
    for (const page of cache.pages.keys()) if (!cache.wanted.includes(page)) cache.pages.delete(page);
    for (const page of cache.wanted) {
      if (cache.asked.has(page)) cache.again.add(page); // its reply may be from before the change
      else read(page);
    }
  }, [key, change]);

  return {
    ...(cache.counts ?? nothing),
    error: cache.error,
    at: (index) => cache.pages.get(Math.floor(index / pageSize))?.[index % pageSize],
    want: (first, last) => {
      cache.wanted = [];
      for (let page = Math.floor(first / pageSize); page <= Math.floor(last / pageSize); page++) {
        cache.wanted.push(page);
        if (!cache.pages.has(page)) read(page);
      }
    },
  };
}

function newCache(key: string): {
  readonly key: string;
  readonly pages: Map<number, readonly RolloutEntry[]>;
  readonly asked: Set<number>;
  /** The pages that are asked for once more when their reply is there. */
  readonly again: Set<number>;
  wanted: number[];
  counts: Omit<RolloutPage, 'items'> | undefined;
  error: string | undefined;
} {
  return {
    key,
    pages: new Map(),
    asked: new Set(),
    again: new Set(),
    wanted: [0],
    counts: undefined,
    error: undefined,
  };
}
