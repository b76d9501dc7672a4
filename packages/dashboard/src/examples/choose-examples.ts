import type { RolloutEntry } from '../api.ts';

/** The most codes of failures, rollouts of each, rollouts of the last step and held-out tasks that are told of. */
const mostCodes = 12;
const mostOfCode = 3;
const mostOfStep = 12;
const mostTasks = 4;

/** The rollouts that tell most of a run, as their entries. */
export interface ChosenExamples {
  readonly failures: readonly {
    readonly code: string;
    readonly kind: NonNullable<RolloutEntry['failureKind']>;
    readonly count: number;
    readonly items: readonly RolloutEntry[];
  }[];
  readonly lastStep?: { readonly step: number; readonly total: number; readonly items: readonly RolloutEntry[] };
  readonly heldOut: readonly {
    readonly steps: readonly [first: number, last: number];
    readonly before: RolloutEntry;
    readonly after: RolloutEntry;
  }[];
}

/** Chooses the rollouts that tell most: those that failed, the last step, and held-out tasks before and after. @param entries newest first */
export function chooseExamples(entries: readonly RolloutEntry[]): ChosenExamples {
  const lastStep = chooseOfLastStep(entries);
  return {
    failures: chooseFailures(entries),
    ...(lastStep !== undefined && { lastStep }),
    heldOut: compareHeldOut(entries),
  };
}

function chooseFailures(entries: readonly RolloutEntry[]): ChosenExamples['failures'] {
  const failed = entries.filter(({ failure, mode }) => failure !== undefined && mode === 'train');
  return [...Map.groupBy(failed, ({ failure, failureKind }) => `${failureKind} ${failure}`).values()]
    .map((group) => ({
      code: group[0]!.failure!,
      kind: group[0]!.failureKind ?? 'unknown',
      count: group.length,
      items: group.slice(0, mostOfCode),
    }))
    .toSorted((a, b) => b.count - a.count)
    .slice(0, mostCodes);
}

/** Returns the newest step with training rollouts that ended: the first rollout of each of its groups, then the second of each. */
function chooseOfLastStep(entries: readonly RolloutEntry[]): ChosenExamples['lastStep'] {
  const ended = entries.filter(
    ({ mode, step, status }) =>
      mode === 'train' && step !== undefined && (status === 'succeeded' || status === 'failed'),
  );
  const step = ended.reduce((newest, entry) => Math.max(newest, entry.step!), -1);
  if (step < 0) return undefined;
  const all = ended.filter((entry) => entry.step === step).toReversed();
  const places = [...Map.groupBy(all, ({ group, id }) => group ?? id).values()].flatMap((group) =>
    group.map((entry, place) => ({ entry, place })),
  );
  const items = places.toSorted((a, b) => a.place - b.place).map(({ entry }) => entry);
  return { step, total: all.length, items: items.slice(0, mostOfStep) };
}

/** Compares a few tasks of the first and the last validation: first those whose reward rose, then those where it fell most. */
function compareHeldOut(entries: readonly RolloutEntry[]): ChosenExamples['heldOut'] {
  const ended = entries.filter(
    ({ mode, step, taskNumber, status }) =>
      mode === 'val' &&
      step !== undefined &&
      taskNumber !== undefined &&
      (status === 'succeeded' || status === 'failed'),
  );
  const steps = [...new Set(ended.map(({ step }) => step!))].toSorted((a, b) => a - b);
  const [first, last] = [steps[0], steps.at(-1)];
  if (first === undefined || last === undefined || first === last) return [];
  const [before, after] = [newestByTask(ended, first), newestByTask(ended, last)];
  const both = [...before.keys()].filter((task) => after.has(task)).toSorted((a, b) => a - b);
  const change = (task: number): number => (after.get(task)!.reward ?? 0) - (before.get(task)!.reward ?? 0);
  const rose = both.filter((task) => change(task) > 0);
  const others = both.filter((task) => change(task) <= 0).toSorted((a, b) => change(a) - change(b));
  const shown = [...rose.slice(0, others.length === 0 ? mostTasks : mostTasks - 1), ...others].slice(0, mostTasks);
  return shown.map((task) => ({ steps: [first, last], before: before.get(task)!, after: after.get(task)! }));
}

/** Maps each task to the newest of its rollouts of a step: a run that was resumed may have run it again. */
function newestByTask(entries: readonly RolloutEntry[], step: number): ReadonlyMap<number, RolloutEntry> {
  const ofStep = entries.filter((entry) => entry.step === step).toReversed();
  return new Map(ofStep.map((entry) => [entry.taskNumber!, entry]));
}
