import type { LightningStore, RolloutExcerpt } from '@agent-lightning/core';
import type { RolloutView } from '@agent-lightning/report';
import type { RolloutEntry, RunExamples, ToldRollout } from '../api.ts';
import { readViews } from '../rollouts/read-rollout.ts';
import { shortTask } from '../rollouts/rollout-entry.ts';
import type { KeptStep } from '../rollouts/token-texts.ts';
import { chooseExamples } from './choose-examples.ts';

/** The most characters of what the model said, and of the sentence of a failure. */
const shownCharacters = 600;

/** Reads the rollouts that tell most of a run, with what the model said in them. @param entries newest first */
export async function readExamples(
  store: LightningStore,
  entries: readonly RolloutEntry[],
  kept: readonly KeptStep[],
): Promise<RunExamples> {
  const { failures, lastStep, heldOut } = chooseExamples(entries);
  const shown = [
    ...failures.flatMap(({ items }) => items),
    ...(lastStep?.items ?? []),
    ...heldOut.flatMap(({ before, after }) => [before, after]),
  ];
  const views = await readViewsOf(store, [...new Set(shown.map(({ id }) => id))]);
  const tell = (entry: RolloutEntry): ToldRollout => tellRollout(entry, views.get(entry.id));
  return {
    failures: failures.map(({ items, ...counted }) => ({ ...counted, items: items.map(tell) })),
    ...(lastStep !== undefined && { lastStep: { ...lastStep, items: lastStep.items.map(tell) } }),
    heldOut: heldOut.map(({ steps, before, after }) => ({ steps, before: tell(before), after: tell(after) })),
    kept: kept.map(({ step, rollouts }) => ({ step, items: rollouts.map(tellExcerpt) })),
  };
}

async function readViewsOf(store: LightningStore, rolloutIds: readonly string[]): Promise<Map<string, RolloutView>> {
  if (rolloutIds.length === 0) return new Map();
  const { items } = await store.queryRollouts({ rolloutIds, limit: rolloutIds.length });
  const views = await readViews(store, items);
  return new Map(views.map((view) => [view.rolloutId, view]));
}

function tellRollout({ id, task, reward, failure }: RolloutEntry, view: RolloutView | undefined): ToldRollout {
  const said = view && findLastAnswer(view);
  const message = view?.failure?.message;
  return {
    id,
    task,
    ...(reward !== undefined && { reward }),
    ...(failure !== undefined && { failure }),
    ...(message !== undefined && { message: cut(message) }),
    ...(said !== undefined && { said: cut(said) }),
  };
}

/** Returns what the model said last: its text, or the tools that it called. */
function findLastAnswer({ entries }: RolloutView): string | undefined {
  const answer = entries.findLast((entry) => entry.type === 'message' && entry.role === 'assistant');
  if (answer?.type !== 'message') return undefined;
  return [answer.text, ...answer.toolCalls.map((call) => `calls ${call}`)].filter((line) => line !== '').join('\n');
}

function tellExcerpt({ rolloutId, task, reward }: RolloutExcerpt): ToldRollout {
  return {
    id: rolloutId,
    task: shortTask(task),
    ...(reward !== undefined && { reward }),
  };
}

function cut(text: string): string {
  return text.length <= shownCharacters ? text : `${text.slice(0, shownCharacters).toWellFormed()}…`;
}
