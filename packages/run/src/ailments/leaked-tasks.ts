import type { JsonValue } from '@agent-lightning/core';
import type { StepMetrics } from '../metrics.ts';
import type { Ailment } from './run-history.ts';

/** The length of the example in the message. */
const shownLength = 80;

/** Finds validation tasks that are training tasks as well: the reward on them says nothing about new tasks. */
export const leakedTasks: Ailment<StepMetrics> = {
  code: 'leaked-tasks',
  detect({ facts: { sharedTasks, heldOutTasks } }) {
    const [example] = sharedTasks;
    if (example === undefined) return undefined;
    const shown = example.length > shownLength ? `${example.slice(0, shownLength)}…` : example;
    return {
      size: sharedTasks.length,
      message: `${sharedTasks.length} of ${heldOutTasks} validation tasks are training tasks too, such as ${shown}; held-out reward then measures what was learned by heart: take them out of one of the two`,
    };
  },
};

/** Returns the validation tasks, as JSON, that are among the training tasks; the order of the keys of an object makes no difference. */
export function findSharedTasks(train: readonly unknown[], validation: readonly unknown[]): readonly string[] {
  const trained = new Set(train.map((task) => toSortedJson(task as JsonValue)));
  return validation.map((task) => toSortedJson(task as JsonValue)).filter((task) => trained.has(task));
}

function toSortedJson(task: JsonValue): string {
  return JSON.stringify(task, (_, value: JsonValue) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}
