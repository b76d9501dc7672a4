import { seededRandom } from '@agent-lightning/core';
import type { Texts } from '../candidates/candidate.ts';
import { weighParents } from '../candidates/pareto-front.ts';
import { affordProposals, type StepSizes } from '../decisions/budget.ts';
import { chooseComponents } from '../decisions/components.ts';
import { drawWeighted } from '../decisions/draws.ts';
import { drawMergeSubsample } from '../decisions/merge-subsample.ts';
import { drawMerge, type Merge } from '../decisions/merge.ts';
import { minibatchAt } from '../decisions/minibatches.ts';
import type { Reflection } from '../reflection/reflect.ts';
import type { GepaSettings } from './gepa-options.ts';
import type { GepaState, PoolEntry } from './gepa-state.ts';

/** A new candidate that a step proposes. */
export interface Proposal {
  readonly index: number;
  /** The candidate that is improved, and its position in the pool. */
  readonly parent: PoolEntry;
  readonly parentPosition: number;
  readonly minibatch: readonly number[];
  readonly components: readonly string[];
}

/** The work of one step: proposals, or a merge. */
export type Work =
  | {
      readonly kind: 'proposals';
      /** True in the first step, which also runs the prompts as they are on the selection tasks. */
      readonly isFirst: boolean;
      readonly proposals: readonly Proposal[];
      /** Minibatches drawn after this step. */
      readonly minibatches: number;
    }
  | { readonly kind: 'merge'; readonly merge: Merge; readonly subsample: readonly number[] };

/** The most selection tasks on which a merge is tried first. */
const mergeSubsample = 5;

/** The things that do not change in a run. */
export interface Search {
  readonly settings: GepaSettings;
  readonly seed: number;
  readonly feedback: readonly number[];
  readonly sizes: StepSizes;
  /** The prompts as they stand in the code. */
  readonly first: PoolEntry;
}

/** Plans the work of a step from the state after the step before; undefined when the budget is spent or nothing is left to improve. */
export function planWork(search: Search, state: GepaState, step: number): Work | undefined {
  if (state.hasNew) {
    const merge = planMerge(search, state, step);
    if (merge !== undefined) return merge;
  }
  return planProposals(search, state, step);
}

function planMerge({ settings, seed }: Search, state: GepaState, step: number): Work | undefined {
  const { pool, selection, tried } = state;
  if (state.acceptedMerges >= settings.merges) return undefined;
  const size = Math.min(mergeSubsample, selection.length);
  if (settings.budget - state.spent < size + selection.length) return undefined;
  const random = seededRandom(seed, `gepa/merge/${step}`);
  const merge = drawMerge(pool, tried, random, settings.frontier);
  if (merge === undefined) return undefined;
  const [first, second] = [pool[merge.first]!.scores, pool[merge.second]!.scores];
  const subsample = drawMergeSubsample(first, second, size, random).map((position) => selection[position]!);
  return { kind: 'merge', merge, subsample };
}

function planProposals(search: Search, state: GepaState, step: number): Work | undefined {
  const { settings, sizes, first } = search;
  const isFirst = state.pool.length === 0;
  const pool = isFirst ? [first] : state.pool;
  const remaining = settings.budget - state.spent - (isFirst ? sizes.selection + sizes.repeats : 0);
  const shares = isFirst ? new Map([[0, 1]]) : weighParents(state.pool, settings.frontier);
  const pointers = pool.map(({ nextComponent }) => nextComponent);
  const names = Object.keys(first.texts);
  const random = seededRandom(search.seed, `gepa/parents/${step}`);
  const proposals: Proposal[] = [];
  let { minibatches } = state;
  for (let index = 0; index < affordProposals(remaining, sizes); index += 1) {
    const drawn = drawParent(search, { ...state, minibatches }, pool, shares, random);
    if (drawn === undefined) break;
    ({ minibatches } = drawn);
    const { position, minibatch } = drawn;
    const components = chooseComponents(names, pointers[position]!, settings.components);
    pointers[position]! += 1;
    proposals.push({ index, parent: pool[position]!, parentPosition: position, minibatch, components });
  }
  return proposals.length === 0 ? undefined : { kind: 'proposals', isFirst, proposals, minibatches };
}

/** Draws a parent, and the next minibatch that has a task on which it is not known to be perfect; undefined when there is no such parent. */
function drawParent(
  search: Search,
  state: Pick<GepaState, 'minibatches' | 'perfect'>,
  pool: readonly PoolEntry[],
  shares: ReadonlyMap<number, number>,
  random: () => number,
): { readonly position: number; readonly minibatch: readonly number[]; readonly minibatches: number } | undefined {
  const { feedback, sizes, seed } = search;
  const isOpen = (position: number, task: number): boolean => !(state.perfect[pool[position]!.id] ?? []).includes(task);
  const open = [...shares].filter(([position]) => feedback.some((task) => isOpen(position, task)));
  if (open.length === 0) return undefined;
  const position = drawWeighted(
    open.map(([each]) => each),
    open.map(([, share]) => share),
    random,
  );
  for (let number = state.minibatches; ; number += 1) {
    const minibatch = minibatchAt(number, feedback, sizes.minibatch, seed);
    if (minibatch.some((task) => isOpen(position, task))) return { position, minibatch, minibatches: number + 1 };
  }
}

/** The result of a proposal so far; it grows while the step runs. */
export interface ProposalOutcome {
  readonly reflection?: Reflection;
  /** The new candidate, where it is worth a rollout. */
  readonly child?: { readonly id: string; readonly texts: Texts };
  /** The reason why no new candidate was run. */
  readonly skipped?: 'perfect' | 'unrewarded' | 'failed' | 'rejected' | 'repeated';
  /** The tasks on which it is compared with its parent so far. @default the minibatch */
  readonly compared?: readonly number[];
  /** Undefined while the comparison is open. */
  readonly isAccepted?: boolean;
}
