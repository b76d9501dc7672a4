import type { LightningStore, Rollout } from '@agent-lightning/core';
import type { RolloutEntry } from '../api.ts';
import { readEntries } from '../rollouts/rollout-entry.ts';
import { stepOf } from '../step-of.ts';

/** The most rollouts in the lists of a snapshot: the newest ones, those that failed, and those of the first validation. */
const mostNewest = 3_000;
const mostFailed = 300;
const mostHeldOut = 300;
const pageSize = 1_000;

type RolloutQuery = NonNullable<Parameters<LightningStore['queryRollouts']>[0]>;

/** The rollouts of a run that the lists of a snapshot have. */
export interface SnapshotEntries {
  /** Newest first. */
  readonly entries: readonly RolloutEntry[];
  /** True when they are all rollouts of the run. */
  readonly isAll: boolean;
  /** Tells whether every rollout of a step is among them. */
  readonly hasWholeStep: (step: number) => boolean;
}

/** Reads the rollouts for the lists of a snapshot, so many that the file keeps a bounded size. */
export async function readSnapshotEntries(store: LightningStore, runId: string): Promise<SnapshotEntries> {
  const newest = await readPages(store, { runId, order: 'desc' }, mostNewest);
  const known = new Set(newest.items.map(({ rolloutId }) => rolloutId));
  const older = new Map<string, Rollout>();
  if (!newest.isAll) {
    const failed = await readPages(store, { runId, order: 'desc', statuses: ['failed'] }, mostFailed);
    const first = await readPages(store, { runId, order: 'asc', modes: ['val'] }, mostHeldOut);
    for (const rollout of [...failed.items, ...first.items])
      if (!known.has(rollout.rolloutId)) older.set(rollout.rolloutId, rollout);
  }
  const rollouts = [...newest.items, ...[...older.values()].toSorted((a, b) => b.createdAtMs - a.createdAtMs)];
  // The oldest of the newest may be the middle of its step.
  const oldestStep = newest.items.reduce((oldest, rollout) => Math.min(oldest, stepOf(rollout) ?? oldest), Infinity);
  return {
    entries: await readInPages(store, rollouts),
    isAll: newest.isAll,
    hasWholeStep: (step) => newest.isAll || step > oldestStep,
  };
}

async function readPages(
  store: LightningStore,
  query: RolloutQuery,
  most: number,
): Promise<{ readonly items: readonly Rollout[]; readonly isAll: boolean }> {
  const items: Rollout[] = [];
  let cursor: string | undefined;
  do {
    const limit = Math.min(pageSize, most - items.length);
    const page = await store.queryRollouts({ ...query, limit, ...(cursor !== undefined && { cursor }) });
    items.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor !== undefined && items.length < most);
  return { items, isAll: cursor === undefined };
}

async function readInPages(store: LightningStore, rollouts: readonly Rollout[]): Promise<readonly RolloutEntry[]> {
  const entries: RolloutEntry[] = [];
  for (let first = 0; first < rollouts.length; first += pageSize)
    entries.push(...(await readEntries(store, rollouts.slice(first, first + pageSize))));
  return entries;
}
