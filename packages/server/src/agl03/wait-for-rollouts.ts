import { LightningError, type LightningStore } from '@agent-lightning/core';
import { isFinalRolloutStatus, isId } from '@agent-lightning/store';
import type { RolloutLine } from './rollout-lines.ts';
import type { RolloutView } from './rollout-view.ts';
import type { AglRollout } from './shapes.ts';

export interface WaitParts {
  readonly store: LightningStore;
  readonly view: RolloutView;
  /** The time in milliseconds. */
  readonly now: () => number;
}

/** Returns the rollouts that are over, in the order asked for, once all are or the time is. Ids that there are not are left out. */
export async function waitForRollouts(
  { store, view, now }: WaitParts,
  ids: readonly string[],
  timeoutMs: number | undefined,
  signal: AbortSignal,
): Promise<readonly AglRollout[]> {
  const deadlineMs = timeoutMs === undefined ? Infinity : now() + timeoutMs;
  for (;;) {
    const lines = await readLines(view, ids);
    const open = lines.filter(({ last }) => !isFinalRolloutStatus(last.status));
    const leftMs = deadlineMs - now();
    if (open.length === 0 || leftMs <= 0 || signal.aborted)
      return lines.filter((line) => !open.includes(line)).map((line) => view.toRollout(line));
    await waitForLast(store, open, leftMs, signal);
  }
}

async function readLines(view: RolloutView, ids: readonly string[]): Promise<readonly RolloutLine[]> {
  const lines: RolloutLine[] = [];
  for (const id of ids) {
    const line = isId(id) ? await view.lines.read(id) : undefined;
    if (line !== undefined) lines.push(line);
  }
  return lines;
}

/** Waits until the newest rollouts are over, the time is, or the signal says so. */
async function waitForLast(
  store: LightningStore,
  open: readonly RolloutLine[],
  timeoutMs: number,
  signal: AbortSignal,
): Promise<void> {
  try {
    const ids = open.map(({ last }) => last.rolloutId);
    await store.waitFor(ids, { ...(timeoutMs === Infinity ? {} : { timeoutMs }), signal });
  } catch (error) {
    if (!LightningError.isInstance(error) || (error.code !== 'timed-out' && error.code !== 'cancelled')) throw error;
  }
}
