import type { Episode } from '@agent-lightning/core';
import type { Texts } from '../candidates/candidate.ts';
import { addRewards } from '../decisions/noise.ts';
import { inheritPointer } from '../decisions/components.ts';
import { identifyTexts } from '../prompts/prompt-set.ts';
import { describeFault } from '../reflection/reflect.ts';
import type { OpenStep } from './extend-work.ts';
import type { GepaState, PoolEntry } from './gepa-state.ts';
import type { ProposalOutcome, Search } from './plan-work.ts';
import { findNamedRewards, findRewards, listRewards, requireAll } from '../search/step-rollouts.ts';

/** The end of a proposal or a merge. */
export type Fate =
  | 'accepted'
  | 'notBetter'
  | 'incomplete'
  | 'merged'
  | 'mergeNotBetter'
  | NonNullable<ProposalOutcome['skipped']>;

/** A step that is done. */
export interface Conclusion {
  readonly state: GepaState;
  readonly fates: readonly Fate[];
  /** Sentences for the user. */
  readonly warnings: readonly string[];
}

/** Brings what a step has found into the state: scores, new candidates, pointers, and what it cost. */
export function concludeStep(
  search: Search,
  before: GepaState,
  open: OpenStep,
  episodes: readonly Episode[],
): Conclusion {
  const isSilent = episodes.every(({ reward }) => reward === undefined);
  const state: GepaState = {
    ...before,
    spent: before.spent + episodes.length,
    seen: addRewards(before.seen, listRewards(episodes)),
    hasNew: false,
    silentSteps: isSilent ? before.silentSteps + 1 : 0,
  };
  return open.work.kind === 'merge'
    ? concludeMerge(state, open as MergeStep, episodes)
    : concludeProposals(search, state, open as ProposalStep, episodes);
}

/** The rewards of a candidate on the selection tasks. */
type Scores = Pick<PoolEntry, 'scores' | 'rewards'>;

type MergeStep = OpenStep & { readonly work: { readonly kind: 'merge' } };
type ProposalStep = OpenStep & { readonly work: { readonly kind: 'proposals' } };

function concludeMerge(before: GepaState, open: MergeStep, episodes: readonly Episode[]): Conclusion {
  const { first, second, ancestor, sources, texts } = open.work.merge;
  const state: GepaState = {
    ...before,
    tried: {
      triples: [...before.tried.triples, { first, second, ancestor }],
      results: [...before.tried.results, { first, second, sources }],
    },
  };
  if (open.isMergeAccepted !== true) return { state, fates: ['mergeNotBetter'], warnings: [] };
  const added = addCandidate(state, open.step, texts, [first, second], findScores(state, episodes, 'm'));
  if (added === undefined) return { state, fates: ['incomplete'], warnings: [describeMissing('the merge')] };
  return { state: { ...added, acceptedMerges: state.acceptedMerges + 1 }, fates: ['merged'], warnings: [] };
}

function concludeProposals(
  search: Search,
  before: GepaState,
  open: ProposalStep,
  episodes: readonly Episode[],
): Conclusion {
  const { work, outcomes, step } = open;
  const warnings: string[] = [];
  const fates: Fate[] = [];
  let state = work.isFirst ? scoreFirst(search, before, episodes, warnings) : before;
  state = advancePointers({ ...state, minibatches: work.minibatches }, open);
  for (const { index, parent, parentPosition, minibatch } of work.proposals) {
    const outcome = outcomes.get(index)!;
    const name = `p${index}`;
    const tasks = outcome.compared ?? minibatch;
    state = notePerfect(search, state, parent.id, tasks, findRewards(episodes, 'parent', name, tasks));
    if (outcome.child !== undefined)
      state = notePerfect(search, state, outcome.child.id, tasks, findRewards(episodes, 'child', name, tasks));
    const { fate, added, warning } = concludeProposal(state, step, parentPosition, name, outcome, episodes);
    if (warning !== undefined) warnings.push(warning);
    fates.push(fate);
    state = added ?? state;
  }
  const asked = [...outcomes.values()].filter(({ reflection }) => reflection !== undefined);
  const isFailed = asked.length > 0 && asked.every(({ skipped }) => skipped === 'failed');
  const failedReflections = isFailed ? state.failedReflections + 1 : asked.length > 0 ? 0 : state.failedReflections;
  const hasChild = [...outcomes.values()].some(({ child }) => child !== undefined);
  const barrenSteps = asked.length === 0 ? state.barrenSteps : hasChild ? 0 : state.barrenSteps + 1;
  return { state: { ...state, failedReflections, barrenSteps }, fates, warnings };
}

function concludeProposal(
  state: GepaState,
  step: number,
  parent: number,
  name: string,
  { child, skipped, isAccepted, reflection }: ProposalOutcome,
  episodes: readonly Episode[],
): { readonly fate: Fate; readonly added?: GepaState; readonly warning?: string } {
  if (child === undefined) {
    const fate = skipped ?? 'unrewarded';
    const isKnown = skipped === 'repeated';
    const warning = isKnown ? 'a new prompt was not run: the search has it already' : describeFault(reflection);
    return warning === undefined ? { fate } : { fate, warning };
  }
  if (isAccepted !== true || state.pool.length === 0) return { fate: 'notBetter' };
  const added = addCandidate(state, step, child.texts, [parent], findScores(state, episodes, name));
  return added === undefined
    ? { fate: 'incomplete', warning: describeMissing('a new prompt') }
    : { fate: 'accepted', added };
}

/** Puts the prompts as they stand in the code into the pool; the selection tasks on which they have no reward are left out of the run. */
function scoreFirst({ first }: Search, state: GepaState, episodes: readonly Episode[], warnings: string[]): GepaState {
  const rewards = findRewards(episodes, 'seed', 'first', state.selection);
  const selection = state.selection.filter((_, index) => rewards[index] !== undefined);
  const missing = rewards.length - selection.length;
  if (missing > 0)
    warnings.push(
      `${missing} of ${rewards.length} selection tasks had no reward with the prompts as they are, and are left out of this run`,
    );
  if (selection.length === 0) return state;
  const scores = rewards.filter((reward) => reward !== undefined);
  return {
    ...state,
    selection,
    pool: [{ ...first, scores, rewards: findNamedRewards(episodes, 'seed', 'first', selection) }],
  };
}

/** Returns the rewards of a candidate on the selection tasks; undefined when one is missing. */
function findScores({ selection }: GepaState, episodes: readonly Episode[], name: string): Scores | undefined {
  const scores = requireAll(findRewards(episodes, 'selection', name, selection));
  return scores === undefined
    ? undefined
    : { scores, rewards: findNamedRewards(episodes, 'selection', name, selection) };
}

function addCandidate(
  state: GepaState,
  step: number,
  texts: Texts,
  parents: readonly number[],
  scores: Scores | undefined,
): GepaState | undefined {
  if (scores === undefined) return undefined;
  const nextComponent = inheritPointer(parents.map((parent) => state.pool[parent]!));
  const entry: PoolEntry = { id: identifyTexts(texts), texts, parents, ...scores, step, nextComponent };
  return { ...state, pool: [...state.pool, entry], hasNew: true };
}

/** Moves on the pointer of a parent for each time that its prompts were sent to the reflection model. */
function advancePointers(state: GepaState, { work, outcomes }: ProposalStep): GepaState {
  const counts = new Map<number, number>();
  for (const { index, parentPosition } of work.proposals)
    if (outcomes.get(index)?.reflection !== undefined)
      counts.set(parentPosition, (counts.get(parentPosition) ?? 0) + 1);
  const pool = state.pool.map((entry, position) => ({
    ...entry,
    nextComponent: entry.nextComponent + (counts.get(position) ?? 0),
  }));
  return { ...state, pool };
}

function notePerfect(
  { settings }: Search,
  state: GepaState,
  id: string,
  tasks: readonly number[],
  rewards: readonly (number | undefined)[],
): GepaState {
  const isPerfect = (index: number): boolean => (rewards[index] ?? -Infinity) >= settings.perfectReward;
  const others = (state.perfect[id] ?? []).filter((task) => !tasks.includes(task));
  const perfect = [...others, ...tasks.filter((_, index) => isPerfect(index))].sort((a, b) => a - b);
  return { ...state, perfect: { ...state.perfect, [id]: perfect } };
}

function describeMissing(what: string): string {
  return `${what} was accepted, but is left out: one of its rollouts on the selection tasks had no reward, and a mean over the others would not compare`;
}
