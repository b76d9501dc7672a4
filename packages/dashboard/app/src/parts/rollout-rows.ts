import { useEffect, useMemo, useState } from 'preact/hooks';
import type { RolloutEntry, RolloutPage } from '../../../src/api.ts';
import { ask, changes } from '../fetch.ts';
import { pageSize, RolloutPages } from './rollout-pages.ts';

/** The rows of the long table, of which only those near the window are known. */
export interface RolloutRows extends Omit<RolloutPage, 'items'> {
  readonly error: string | undefined;
  /** Returns a row, or undefined for one that is being read. */
  readonly at: (index: number) => RolloutEntry | undefined;
  /** Sees to it that these rows are read. */
  readonly want: (first: number, last: number) => void;
}

const nothing = { total: 0, offset: 0, read: 0, isComplete: false, statuses: {}, failures: {} };

/** Reads the rollouts that a filter selects, page by page as they are wanted, and again when they changed; another run or filter cuts off what is under way. */
export function useRolloutRows(run: string, filter: string): RolloutRows {
  const [, redraw] = useState(0);
  const change = changes.rollouts.value;
  const pages = useMemo(() => {
    const path = (page: number): string =>
      `/api/runs/${encodeURIComponent(run)}/rollouts?offset=${page * pageSize}&limit=${pageSize}${filter === '' ? '' : `&${filter}`}`;
    return new RolloutPages(
      async (page, signal) => await ask<RolloutPage>(path(page), signal),
      () => redraw((count) => count + 1),
      change,
    );
  }, [run, filter]);
  useEffect(() => () => pages.stop(), [pages]);
  useEffect(() => pages.follow(change), [pages, change]);
  return {
    ...(pages.counts ?? nothing),
    error: pages.error,
    at: (index) => pages.at(index),
    want: (first, last) => pages.want(first, last),
  };
}
