import type { Attempt, LightningStore, Rollout } from '@agent-lightning/core';
import type { AttemptIds } from '../otlp/span-intake.ts';

/**
 * The rollouts of ours that are one rollout of Agent Lightning 0.3, oldest first. There a finished rollout can be queued again, attempts can
 * run beside each other, and fields change; here what is final stays so. So each such step is a new rollout of ours, whose id ends in
 * `:again-2`, `:again-3` and so on.
 */
export interface RolloutLine {
  readonly rolloutId: string;
  readonly rollouts: readonly Rollout[];
  /** The newest one that was not taken back: its status counts. */
  readonly last: Rollout;
}

/** An attempt with its place in the line. */
export interface LineAttempt {
  readonly attempt: Attempt;
  /** From 1. */
  readonly sequenceId: number;
  readonly rollout: Rollout;
}

/** The reason of the cancellation of a rollout that was queued for a retry, when the attempt before it came back. */
export const takenBack = 'taken back: the attempt before it came back';
/** The reason of the cancellation of a queued rollout, when another one took its place. */
export const replacedReason = 'replaced by the next rollout of its line';
/** The worker of attempts that are there only because a client set a status without an attempt. */
export const statusWorker = 'agl03.status';

const again = /^(.+):again-(\d+)$/u;
const mostKnown = 100_000;

/** Returns the id that 0.3 knows a rollout of ours by. */
export function lineIdOf(rolloutId: string): string {
  return again.exec(rolloutId)?.[1] ?? rolloutId;
}

/** Returns the id for the next rollout of a line, which another server may have taken since the line was read. */
export function nextIdOf({ rolloutId, rollouts }: RolloutLine): string {
  const newest = rollouts.at(-1);
  return memberId(rolloutId, newest === undefined ? 1 : placeOf(newest) + 1);
}

function memberId(rolloutId: string, place: number): string {
  return place === 1 ? rolloutId : `${rolloutId}:again-${place}`;
}

/** Tells whether the last rollout of a line came after this one. */
export function isReplaced({ rollouts, last }: RolloutLine, rolloutId: string): boolean {
  return rollouts.findIndex((rollout) => rollout.rolloutId === rolloutId) < rollouts.indexOf(last);
}

/** Finds the rollouts of a line in the store. */
export class RolloutLines {
  readonly #store: LightningStore;
  /** How many rollouts a line has at least, of those that were asked for lately: another server on the same store may add some. */
  readonly #lengths: Map<string, number> = new Map();

  constructor(store: LightningStore) {
    this.#store = store;
  }

  /** Returns a line, or undefined when there is no rollout of that id. */
  async read(rolloutId: string): Promise<RolloutLine | undefined> {
    const length = await this.#length(rolloutId);
    const ids = Array.from({ length }, (_item, index) => memberId(rolloutId, index + 1));
    const { items } = await this.#store.queryRollouts({ rolloutIds: ids });
    return toLine(rolloutId, items);
  }

  /** Returns every line of the store, in the order of their first rollouts. */
  async readAll(): Promise<readonly RolloutLine[]> {
    const members = new Map<string, Rollout[]>();
    let cursor: string | undefined;
    do {
      const page = await this.#store.queryRollouts({ limit: 10_000, ...(cursor === undefined ? {} : { cursor }) });
      for (const rollout of page.items) {
        const id = lineIdOf(rollout.rolloutId);
        const line = members.get(id);
        if (line === undefined) members.set(id, [rollout]);
        else line.push(rollout);
      }
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    return [...members].flatMap(([id, rollouts]) => toLine(id, rollouts) ?? []);
  }

  /** Returns the attempts of a line, oldest first. */
  async readAttempts({ rollouts }: RolloutLine): Promise<readonly LineAttempt[]> {
    const found: { attempt: Attempt; rollout: Rollout }[] = [];
    for (const rollout of rollouts)
      if (rollout.attemptCount > 0)
        for (const attempt of await this.#store.queryAttempts(rollout.rolloutId))
          if (attempt.workerId !== statusWorker) found.push({ attempt, rollout });
    return found.map((each, index) => ({ ...each, sequenceId: index + 1 }));
  }

  /** Returns the attempt's ids as our store has them; the same ids when the store has no such attempt. */
  async home({ rolloutId, attemptId }: AttemptIds): Promise<AttemptIds> {
    const length = await this.#length(rolloutId);
    for (let place = length; place > 1; place--) {
      const id = memberId(rolloutId, place);
      const attempts = await this.#store.queryAttempts(id);
      if (attempts.some((attempt) => attempt.attemptId === attemptId)) return { rolloutId: id, attemptId };
    }
    return { rolloutId, attemptId };
  }

  async #length(rolloutId: string): Promise<number> {
    let length = this.#lengths.get(rolloutId) ?? 1;
    while ((await this.#store.getRollout(memberId(rolloutId, length + 1))) !== undefined) length++;
    this.#remember(rolloutId, length);
    return length;
  }

  #remember(rolloutId: string, length: number): void {
    this.#lengths.delete(rolloutId);
    this.#lengths.set(rolloutId, length);
    const oldest = this.#lengths.keys().next().value;
    if (this.#lengths.size > mostKnown && oldest !== undefined) this.#lengths.delete(oldest);
  }
}

function toLine(rolloutId: string, rollouts: readonly Rollout[]): RolloutLine | undefined {
  const sorted = rollouts.toSorted((a, b) => placeOf(a) - placeOf(b));
  const last = sorted.findLast(({ failure }) => failure?.message !== takenBack) ?? sorted.at(-1);
  return last === undefined ? undefined : { rolloutId, rollouts: sorted, last };
}

function placeOf({ rolloutId }: Rollout): number {
  return Number(again.exec(rolloutId)?.[2] ?? 1);
}
