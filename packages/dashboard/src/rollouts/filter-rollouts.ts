import type { GroupEntry, RolloutEntry, RolloutPage } from '../api.ts';
import { marks, type Mark } from '../notes/marks.ts';
import type { Notes } from '../notes/notes-file.ts';

/** Selects and orders rollouts; empty texts and null select everything. */
export interface RolloutFilter {
  readonly steps: readonly [first: number, last: number] | null;
  readonly mode: string;
  readonly status: string;
  readonly failure: string;
  readonly kind: string;
  readonly group: string;
  readonly least: number | null;
  readonly most: number | null;
  /** The id of the prompts that a search tried. */
  readonly prompts: string;
  /** The number of a task of such a search; below 0 selects every task. */
  readonly task: number;
  /** A mark of a reader, `any` note, or `none`. */
  readonly note: string;
  /** A part of the task, of the id, or of a reader's comment, in any case. */
  readonly text: string;
  readonly order: 'newest' | 'oldest' | 'lowest' | 'highest' | 'slowest';
}

/** The notes that a filter can ask for; the first asks for nothing. */
export const noteFilters: readonly ['', ...('any' | Mark | 'none')[]] = ['', 'any', ...marks, 'none'];

/** Returns the rollouts that a filter selects, in its order. @param entries newest first */
export function filterRollouts(
  entries: readonly RolloutEntry[],
  filter: RolloutFilter,
  notes: Notes = new Map(),
): readonly RolloutEntry[] {
  const tests = testsOf(filter, notes);
  const found = tests.length === 0 ? entries : entries.filter((entry) => tests.every((test) => test(entry)));
  switch (filter.order) {
    case 'newest':
      return found;
    case 'oldest':
      return found.toReversed();
    case 'slowest':
      return found.toSorted((a, b) => (b.seconds ?? -1) - (a.seconds ?? -1));
    case 'lowest':
      return found.toSorted((a, b) => (a.reward ?? Infinity) - (b.reward ?? Infinity) || 0);
    case 'highest':
      return found.toSorted((a, b) => (b.reward ?? -Infinity) - (a.reward ?? -Infinity) || 0);
  }
}

function testsOf(filter: RolloutFilter, notes: Notes): readonly ((entry: RolloutEntry) => boolean)[] {
  const { steps, mode, status, failure, kind, group, least, most, note, prompts, task: number } = filter;
  const text = filter.text.toLowerCase();
  return [
    ...(steps === null ? [] : [({ step = -1 }: RolloutEntry) => step >= steps[0] && step <= steps[1]]),
    ...(mode === '' ? [] : [(entry: RolloutEntry) => entry.mode === mode]),
    ...(status === '' ? [] : [(entry: RolloutEntry) => entry.status === status]),
    ...(failure === '' ? [] : [(entry: RolloutEntry) => entry.failure === failure]),
    ...(kind === '' ? [] : [(entry: RolloutEntry) => entry.taskKind === kind]),
    ...(group === '' ? [] : [(entry: RolloutEntry) => entry.group === group]),
    ...(least === null ? [] : [({ reward }: RolloutEntry) => reward !== undefined && reward >= least]),
    ...(most === null ? [] : [({ reward }: RolloutEntry) => reward !== undefined && reward <= most]),
    ...(text === ''
      ? []
      : [
          ({ task, id }: RolloutEntry) =>
            task.toLowerCase().includes(text) ||
            id.toLowerCase().includes(text) ||
            notes.get(id)?.comment?.toLowerCase().includes(text) === true,
        ]),
    ...(prompts === '' ? [] : [(entry: RolloutEntry) => entry.prompts === prompts]),
    ...(number < 0 ? [] : [(entry: RolloutEntry) => entry.taskNumber === number]),
    ...(note === '' ? [] : [({ id }: RolloutEntry) => hasNote(notes, id, note)]),
  ];
}

function hasNote(notes: Notes, id: string, wanted: string): boolean {
  const note = notes.get(id);
  if (wanted === 'none') return note === undefined;
  return note !== undefined && (wanted === 'any' || note.mark === wanted);
}

/** Counts rollouts by status and by failure. */
export function countRollouts(entries: readonly RolloutEntry[]): Pick<RolloutPage, 'statuses' | 'failures'> {
  const statuses: Record<string, number> = {};
  const failures: Record<string, number> = {};
  for (const { status, failure } of entries) {
    statuses[status] = (statuses[status] ?? 0) + 1;
    if (failure !== undefined) failures[failure] = (failures[failure] ?? 0) + 1;
  }
  return { statuses, failures };
}

/**
 * Returns the groups among rollouts, in the order of their first one.
 * @param failureRewards of the steps, with which failed rollouts count; for another step it is the lower of 0 and the group's lowest reward
 */
export function listGroups(
  entries: readonly RolloutEntry[],
  failureRewards: ReadonlyMap<number, number>,
): readonly GroupEntry[] {
  const groups = Map.groupBy(
    entries.filter(({ group }) => group !== undefined),
    ({ group }) => group!,
  );
  return [...groups].map(([id, members]) => describeGroup(id, members, failureRewards));
}

function describeGroup(
  id: string,
  members: readonly RolloutEntry[],
  failureRewards: ReadonlyMap<number, number>,
): GroupEntry {
  const rewards = members.flatMap(({ reward }) => (reward === undefined ? [] : [reward])).toSorted((a, b) => b - a);
  const { step, task } = members[0]!;
  const failureReward = (step === undefined ? undefined : failureRewards.get(step)) ?? Math.min(0, ...rewards);
  const failed = members.filter(({ failure }) => failure !== undefined);
  const counted = [...rewards, ...failed.filter(({ failureKind }) => failureKind !== 'world').map(() => failureReward)];
  const mean = counted.reduce((sum, reward) => sum + reward, 0) / counted.length;
  const deviation = Math.sqrt(counted.reduce((sum, reward) => sum + (reward - mean) ** 2, 0) / counted.length);
  return {
    id,
    ...(step !== undefined && { step }),
    task,
    size: members.length,
    failed: failed.length,
    unfinished: members.filter(({ status, failure }) => status !== 'succeeded' && failure === undefined).length,
    rewards,
    ...(counted.length > 0 && { mean, deviation }),
  };
}
