import { LightningError, TimeoutError, type Rollout, type StoreEvent } from '@agent-lightning/core';
import { isFinalRolloutStatus } from './status-graph.ts';
import type { RecordAccess } from './record-access.ts';
import type { ClaimFilter } from './records.ts';
import { notFound } from './store-errors.ts';

const eventsPerRead = 1_000;

/** Tells how long a wait may still take: its own limit, on a clock that no one can set back. */
class Deadline {
  readonly #endMs: number | undefined;

  constructor(timeoutMs: number | undefined) {
    this.#endMs = timeoutMs === undefined ? undefined : performance.now() + timeoutMs;
  }

  get leftMs(): number | undefined {
    return this.#endMs === undefined ? undefined : Math.max(0, this.#endMs - performance.now());
  }
}

/** Resolves with the rollouts, in the order given, once all are final. */
export async function waitForFinal(
  store: RecordAccess,
  rolloutIds: readonly string[],
  timeoutMs: number | undefined,
  signal: AbortSignal | undefined,
): Promise<readonly Rollout[]> {
  const deadline = new Deadline(timeoutMs);
  const watch = store.notifier.watch();
  try {
    let { cursor, pending } = await readPending(store, rolloutIds);
    while (pending.size > 0) {
      throwWhenOver(signal, deadline, rolloutIds.length, pending);
      await watch.next(deadline.leftMs, signal);
      const events = await readAllEvents(store, cursor);
      // Removed before they were read: look at the rollouts themselves.
      if (events === 'removed') ({ cursor, pending } = await readPending(store, rolloutIds));
      else {
        cursor = events.at(-1)?.cursor ?? cursor;
        for (const { id, status } of events)
          if (status !== undefined && isFinalRolloutStatus(status)) pending.delete(id);
      }
    }
  } finally {
    watch.end();
  }
  return store.read(async (records) =>
    inOrder(
      rolloutIds,
      (await records.readRollouts(rolloutIds)).map((record) => record.rollout),
    ),
  );
}

/** Reads which rollouts are not final, and the cursor after which their next events come. */
async function readPending(
  store: RecordAccess,
  rolloutIds: readonly string[],
): Promise<{ readonly cursor: string; readonly pending: Set<string> }> {
  return store.read(async (records) => {
    const cursor = await records.readLastCursor();
    const found = new Map(
      (await records.readRollouts(rolloutIds)).map((record) => [record.rollout.rolloutId, record.rollout.status]),
    );
    const pending = new Set<string>();
    for (const rolloutId of rolloutIds) {
      const status = found.get(rolloutId);
      if (status === undefined) throw notFound('rollout', rolloutId);
      if (!isFinalRolloutStatus(status)) pending.add(rolloutId);
    }
    return { cursor, pending };
  });
}

/** Puts rollouts in the order of their ids. @throws `store-not-found` when one is missing */
export function inOrder(rolloutIds: readonly string[], rollouts: readonly Rollout[]): readonly Rollout[] {
  const found = new Map(rollouts.map((rollout) => [rollout.rolloutId, rollout]));
  return rolloutIds.map((rolloutId) => {
    const rollout = found.get(rolloutId);
    if (rollout === undefined) throw notFound('rollout', rolloutId);
    return rollout;
  });
}

async function readAllEvents(store: RecordAccess, from: string): Promise<readonly StoreEvent[] | 'removed'> {
  const all: StoreEvent[] = [];
  for (let cursor = from; ;) {
    let page: readonly StoreEvent[];
    try {
      page = await store.read((records) => records.readEvents(cursor, eventsPerRead));
    } catch (error) {
      if (LightningError.isInstance(error) && error.code === 'store-not-found') return 'removed';
      throw error;
    }
    for (const event of page) all.push(event);
    const last = page.at(-1);
    if (last === undefined || page.length < eventsPerRead) return all;
    cursor = last.cursor;
  }
}

function throwWhenOver(
  signal: AbortSignal | undefined,
  deadline: Deadline,
  asked: number,
  pending: ReadonlySet<string>,
): void {
  const left = `${pending.size} of ${asked} rollouts were not final, first ${[...pending][0]}`;
  if (signal?.aborted === true)
    throw new TimeoutError(`waiting was cancelled; ${left}`, { code: 'cancelled', cause: signal.reason });
  if (deadline.leftMs === 0)
    throw new TimeoutError(`waiting took longer than its timeoutMs; ${left}`, { code: 'timed-out', retryable: true });
}

/** Resolves when a rollout of the filter is claimable, when the time is over, or when the signal aborts. */
export async function waitForClaimable(
  store: RecordAccess,
  filter: ClaimFilter,
  timeoutMs: number | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  const deadline = new Deadline(timeoutMs);
  const watch = store.notifier.watch();
  try {
    while (!isAborted(signal)) {
      const nowMs = store.now();
      const availableMs = await store.read((records) => records.readNextAvailableMs({ ...filter, nowMs }));
      const waitMs = availableMs === undefined ? undefined : availableMs - nowMs;
      if (waitMs !== undefined && waitMs <= 0) return;
      const { leftMs } = deadline;
      if (leftMs === 0) return;
      await watch.next(smallest(leftMs, waitMs), signal);
    }
  } finally {
    watch.end();
  }
}

function smallest(left: number | undefined, right: number | undefined): number | undefined {
  if (left === undefined || right === undefined) return left ?? right;
  return Math.min(left, right);
}

/** Yields every event after the cursor, then each new one, until the signal aborts. */
export async function* followEvents(
  readNext: (cursor: string) => Promise<readonly StoreEvent[]>,
  from: Promise<string>,
  signal: AbortSignal | undefined,
): AsyncGenerator<StoreEvent, void, undefined> {
  let cursor = await from;
  while (!isAborted(signal)) {
    for (const event of await readNext(cursor)) {
      cursor = event.cursor;
      yield event;
      if (isAborted(signal)) return;
    }
  }
}

/** Returns the events after the cursor; when there are none, it waits for a change first, and may return none again. */
export async function nextEvents(
  store: RecordAccess,
  cursor: string,
  timeoutMs: number | undefined,
  signal: AbortSignal | undefined,
): Promise<readonly StoreEvent[]> {
  const watch = store.notifier.watch();
  try {
    const events = await store.read((records) => records.readEvents(cursor, eventsPerRead));
    if (events.length > 0) return events;
    await watch.next(timeoutMs, signal);
    return isAborted(signal) ? [] : await store.read((records) => records.readEvents(cursor, eventsPerRead));
  } finally {
    // Not held while the reader handles what it got: a subscription that is left standing costs nothing.
    watch.end();
  }
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}
