/** The fields of the lists, and their replies from entries in memory: the server gives them, and so does the page of a snapshot. */
import type { GroupPage, RolloutEntry, RolloutPage } from '../api.ts';
import type { Note } from '../notes/note.ts';
import type { Notes } from '../notes/notes-file.ts';
import {
  countRollouts,
  filterRollouts,
  listGroups,
  noteFilters,
  type RolloutFilter,
} from '../rollouts/filter-rollouts.ts';
import {
  anyNumber,
  oneOf,
  shortText,
  stepRange,
  wholeNumber,
  type QueryField,
  type QueryValues,
} from './query-fields.ts';

/** The characters of a comment that the list of rollouts shows. */
const shownComment = 200;
/** The most items of one page. */
const mostItems = 500;

type PageFields = { readonly offset: QueryField<number>; readonly limit: QueryField<number> };

/** The fields of a list of rollouts. */
export type RolloutFields = PageFields & {
  readonly [Name in keyof RolloutFilter]: QueryField<RolloutFilter[Name]>;
};

/** The fields of a list of groups. */
export type GroupFields = PageFields & {
  readonly steps: QueryField<RolloutFilter['steps']>;
  readonly signal: QueryField<'' | 'some' | 'none'>;
};

export const rolloutFields: RolloutFields = {
  offset: wholeNumber(0, 1e9, 0),
  limit: wholeNumber(1, mostItems, 100),
  steps: stepRange,
  mode: oneOf(['', 'train', 'val', 'test']),
  status: oneOf(['', 'queuing', 'preparing', 'running', 'requeuing', 'succeeded', 'failed', 'cancelled']),
  failure: shortText,
  kind: shortText,
  group: shortText,
  least: anyNumber,
  most: anyNumber,
  text: shortText,
  note: oneOf(noteFilters),
  prompts: shortText,
  task: wholeNumber(0, 1e9, -1),
  order: oneOf(['newest', 'oldest', 'lowest', 'highest', 'slowest']),
};

export const groupFields: GroupFields = {
  offset: wholeNumber(0, 1e9, 0),
  limit: wholeNumber(1, mostItems, 100),
  steps: stepRange,
  signal: oneOf(['', 'some', 'none']),
};

/** Returns the page of rollouts that a filter selects. @param entries newest first */
export function listRollouts(
  entries: readonly RolloutEntry[],
  filter: QueryValues<RolloutFields>,
  notes: Notes = new Map<string, Note>(),
): Omit<RolloutPage, 'isComplete'> {
  const found = filterRollouts(entries, filter, notes);
  return {
    total: found.length,
    read: entries.length,
    offset: filter.offset,
    items: found.slice(filter.offset, filter.offset + filter.limit).map((entry) => withNote(entry, notes)),
    ...countRollouts(found),
  };
}

/** Returns the page of groups that a filter selects. @param failureRewards of the steps */
export function pageGroups(
  entries: readonly RolloutEntry[],
  failureRewards: ReadonlyMap<number, number>,
  { steps, signal, offset, limit }: QueryValues<GroupFields>,
): Omit<GroupPage, 'isComplete'> {
  const chosen = steps === null ? entries : entries.filter(({ step = -1 }) => step >= steps[0] && step <= steps[1]);
  const groups = listGroups(chosen, failureRewards).filter(
    ({ deviation = 0 }) => signal === '' || (signal === 'some') === deviation > 0,
  );
  return { total: groups.length, offset, items: groups.slice(offset, offset + limit) };
}

/** Adds the reader's note to a rollout that has one. */
function withNote(entry: RolloutEntry, notes: ReadonlyMap<string, Note>): RolloutEntry {
  const note = notes.get(entry.id);
  if (note === undefined) return entry;
  const { mark, label, comment } = note;
  return {
    ...entry,
    note: {
      ...(mark !== undefined && { mark }),
      ...(label !== undefined && { label }),
      ...(comment !== undefined && { comment: comment.slice(0, shownComment).toWellFormed() }),
    },
  };
}
