import type { GroupPage, MetricsPage, RolloutEntry, RolloutPage, RunList } from '../api.ts';
import type { Note } from '../notes/note.ts';
import { readPrompts } from '../prompts/read-prompts.ts';
import { countRollouts, filterRollouts, listGroups, noteFilters } from '../rollouts/filter-rollouts.ts';
import { readGroup } from '../rollouts/read-group.ts';
import { readRollout } from '../rollouts/read-rollout.ts';
import { readTokens } from '../rollouts/read-tokens.ts';
import { newestStep, openTokenContext } from '../runs/open-token-context.ts';
import type { RunShelf } from '../runs/run-shelf.ts';
import { readRolloutTree, readStepSamples } from '../samples/read-samples.ts';
import { isId } from './is-id.ts';
import { liveRoutes } from './live-routes.ts';
import { noteRoutes } from './note-routes.ts';
import { anyNumber, oneOf, shortText, stepRange, wholeNumber } from './query-fields.ts';
import { route, type Route } from './route.ts';

/** The characters of a comment that the list of rollouts shows. */
const shownComment = 200;
/** The most items of one page. */
const mostItems = 500;

const rolloutFields = {
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
} as const;

const groupFields = {
  offset: wholeNumber(0, 1e9, 0),
  limit: wholeNumber(1, mostItems, 100),
  steps: stepRange,
  signal: oneOf(['', 'some', 'none']),
} as const;

/** Makes the routes that answer with JSON. */
export function createRoutes(shelf: RunShelf): readonly Route[] {
  return [
    ...runRoutes(shelf),
    ...rolloutRoutes(shelf),
    ...groupRoutes(shelf),
    ...sampleRoutes(shelf),
    ...noteRoutes(shelf),
    ...liveRoutes(shelf),
  ];
}

function runRoutes(shelf: RunShelf): readonly Route[] {
  return [
    route('/api/runs', {}, async (): Promise<RunList> => ({ source: shelf.title, runs: await shelf.list() })),
    route('/api/runs/:run', {}, async ({ run }) => await shelf.describe(run!)),
    route('/api/runs/:run/prompts', {}, async ({ run }) => {
      const files = await shelf.files(run!);
      return files && (await readPrompts(files));
    }),
    route(
      '/api/runs/:run/metrics',
      { after: wholeNumber(0, 1e9, 0), limit: wholeNumber(1, 2_000, 500) },
      async ({ run }, { after, limit }): Promise<MetricsPage | undefined> => {
        const files = await shelf.files(run!);
        if (files === undefined) return undefined;
        const later = (await files.metrics()).filter(({ step }) => step > after);
        const lines = later.slice(0, limit);
        return { lines, ...(later.length > limit && { next: lines.at(-1)!.step }) };
      },
    ),
  ];
}

function rolloutRoutes(shelf: RunShelf): readonly Route[] {
  return [
    route('/api/runs/:run/rollouts', rolloutFields, async ({ run }, filter): Promise<RolloutPage | undefined> => {
      const rollouts = await shelf.rollouts(run!);
      if (rollouts === undefined) return undefined;
      await rollouts.index.whenBegun();
      const entries = rollouts.index.entries();
      const notes = (await (await shelf.files(run!))?.notes.read()) ?? new Map<string, Note>();
      const found = filterRollouts(entries, filter, notes);
      return {
        total: found.length,
        read: entries.length,
        isComplete: rollouts.index.isComplete,
        offset: filter.offset,
        items: found.slice(filter.offset, filter.offset + filter.limit).map((entry) => withNote(entry, notes)),
        ...countRollouts(found),
      };
    }),
    route('/api/runs/:run/rollouts/:rollout', {}, async ({ run, rollout }) => {
      const rollouts = await shelf.rollouts(run!);
      const details =
        rollouts === undefined || !isId(rollout!) ? undefined : await readRollout(rollouts.store, rollout!);
      const note = (await (await shelf.files(run!))?.notes.read())?.get(rollout!);
      return details && { ...details, ...(note !== undefined && { note }) };
    }),
    route('/api/runs/:run/rollouts/:rollout/tokens', {}, async ({ run, rollout }) => {
      const context = isId(rollout!) ? await openTokenContext(shelf, run!) : undefined;
      return context && (await readTokens(context, rollout!));
    }),
  ];
}

function groupRoutes(shelf: RunShelf): readonly Route[] {
  return [
    route(
      '/api/runs/:run/groups',
      groupFields,
      async ({ run }, { steps, signal, offset, limit }): Promise<GroupPage | undefined> => {
        const rollouts = await shelf.rollouts(run!);
        if (rollouts === undefined) return undefined;
        await rollouts.index.whenBegun();
        const entries = rollouts.index.entries();
        const chosen =
          steps === null ? entries : entries.filter(({ step = -1 }) => step >= steps[0] && step <= steps[1]);
        const lines = (await (await shelf.files(run!))?.metrics()) ?? [];
        const failureRewards = new Map(lines.map(({ step, failureReward }) => [step, failureReward]));
        const groups = listGroups(chosen, failureRewards).filter(
          ({ deviation = 0 }) => signal === '' || (signal === 'some') === deviation > 0,
        );
        return {
          total: groups.length,
          isComplete: rollouts.index.isComplete,
          offset,
          items: groups.slice(offset, offset + limit),
        };
      },
    ),
    route('/api/runs/:run/groups/:group', {}, async ({ run, group }) => {
      const rollouts = await shelf.rollouts(run!);
      return rollouts === undefined || !isId(group!) ? undefined : await readGroup(rollouts.store, group!);
    }),
  ];
}

function sampleRoutes(shelf: RunShelf): readonly Route[] {
  return [
    route('/api/runs/:run/samples', { step: wholeNumber(1, 1e9, 0) }, async ({ run }, { step }) => {
      const context = await openTokenContext(shelf, run!);
      return context && (await readStepSamples(context, step === 0 ? newestStep(context) : step));
    }),
    route('/api/runs/:run/rollouts/:rollout/samples', {}, async ({ run, rollout }) => {
      const context = isId(rollout!) ? await openTokenContext(shelf, run!) : undefined;
      return context && (await readRolloutTree(context, rollout!));
    }),
  ];
}

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
