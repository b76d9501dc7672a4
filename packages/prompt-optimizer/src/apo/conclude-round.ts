import type { Episode } from '@agent-lightning/core';
import { isClearlyBetter } from '../decisions/acceptance.ts';
import { addRewards, estimateNoise } from '../decisions/noise.ts';
import { describeFault } from '../reflection/reflect.ts';
import { findRewards, listRewards, requireAll } from '../search/step-rollouts.ts';
import type { ApoSettings } from './apo-options.ts';
import type { BranchResult, rankCandidates, Round } from './apo-round.ts';
import type { ApoEntry, ApoState } from './apo-state.ts';

/** A round while it runs. */
export interface OpenRound {
  readonly round: Round;
  /** The answers of the models, by branch; undefined before they were asked. */
  readonly reflections?: readonly BranchResult[];
  /** The new candidates. */
  readonly added?: readonly ApoEntry[];
  /** The beam and the new candidates, the best first; undefined where there is nothing to compare. */
  readonly ranked?: ReturnType<typeof rankCandidates>;
}

/** Brings what a round has found into the state, and returns sentences for the user beside it. */
export function concludeRound(
  settings: ApoSettings,
  before: ApoState,
  open: OpenRound,
  episodes: readonly Episode[],
): { readonly state: ApoState; readonly warnings: readonly string[] } {
  const { reflections = [], ranked = [] } = open;
  const asked = reflections.filter((reflection) => typeof reflection !== 'string');
  const failed = asked.filter(({ kind }) => kind === 'failed');
  const isFailed = asked.length > 0 && failed.length === asked.length;
  const kept = ranked.filter(({ score }) => score !== undefined).slice(0, settings.beam);
  const counted: ApoState = {
    ...before,
    beam: kept.length === 0 ? before.beam : kept.map(({ entry }) => entry),
    minibatches: before.minibatches + open.round.branches.length,
    spent: before.spent + episodes.length,
    seen: addRewards(before.seen, listRewards(episodes)),
    failedReflections: isFailed ? before.failedReflections + 1 : asked.length > 0 ? 0 : before.failedReflections,
    barrenSteps: asked.length === 0 ? before.barrenSteps : open.added?.length === 0 ? before.barrenSteps + 1 : 0,
    silentSteps: episodes.every(({ reward }) => reward === undefined) ? before.silentSteps + 1 : 0,
    history: [
      ...before.history,
      ...ranked
        .filter(({ entry }) => open.added!.includes(entry))
        .map(({ entry, score }) => ({ ...entry, ...(score === undefined ? {} : { roundScore: score }) })),
    ],
  };
  const started = before.first === undefined ? scoreFirst(counted, before.beam[0]!, episodes) : counted;
  const left = before.selection.length - started.selection.length;
  return {
    state: scoreLeader(started, ranked[0]?.entry, episodes),
    warnings: [
      ...(left > 0 && started.first !== undefined
        ? [
            `${left} of ${before.selection.length} selection tasks had no reward with the prompts as they are, and are left out of this run`,
          ]
        : []),
      ...new Set(asked.flatMap((reflection) => describeFault(reflection) ?? [])),
    ],
  };
}

function scoreFirst(state: ApoState, entry: ApoEntry, episodes: readonly Episode[]): ApoState {
  const rewards = findRewards(episodes, 'seed', entry.id, state.selection);
  const selection = state.selection.filter((_, index) => rewards[index] !== undefined);
  if (selection.length === 0) return state;
  const first = { ...entry, scores: rewards.filter((reward) => reward !== undefined) };
  return { ...state, selection, first, best: first, scored: [entry.id] };
}

/** Takes the leader of a round as the best candidate when it earns more than the best so far on all selection tasks, by more than luck gives easily. */
function scoreLeader(state: ApoState, leader: ApoEntry | undefined, episodes: readonly Episode[]): ApoState {
  if (leader === undefined || state.best === undefined || state.scored.includes(leader.id)) return state;
  const scores = requireAll(findRewards(episodes, 'leader', leader.id, state.selection));
  if (scores === undefined) return state;
  const isBetter = isClearlyBetter(state.best.scores, scores, estimateNoise(state.seen));
  return { ...state, scored: [...state.scored, leader.id], ...(isBetter ? { best: { ...leader, scores } } : {}) };
}
