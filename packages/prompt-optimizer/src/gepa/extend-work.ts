import type { AlgorithmHost, Episode, PlannedRollout, Rollout } from '@agent-lightning/core';
import { isSameTexts } from '../candidates/candidate.ts';
import { isMergeAccepted } from '../decisions/acceptance.ts';
import { keepTexts } from '../prompts/keep-texts.ts';
import { identifyTexts } from '../prompts/prompt-set.ts';
import { reflect } from '../reflection/reflect.ts';
import type { GepaState } from './gepa-state.ts';
import type { Proposal, ProposalOutcome, Search, Work } from './plan-work.ts';
import { gatherExamples } from '../search/gather-examples.ts';
import { findRewards, planRollouts, requireAll } from '../search/step-rollouts.ts';

/** A step while it runs: what its work has come to so far. */
export interface OpenStep {
  readonly step: number;
  readonly work: Work;
  /** By the index of the proposal; empty before the reflection. */
  readonly outcomes: ReadonlyMap<number, ProposalOutcome>;
  /** Undefined before the merge was tried on its subsample. */
  readonly isMergeAccepted?: boolean;
}

/** The rollouts of a step that are final when it is extended. */
export interface Finished {
  readonly rollouts: readonly Rollout[];
  readonly episodes: readonly Episode[];
}

/** A step after it was extended, and the rollouts that it needs next. */
export interface Extended {
  readonly open: OpenStep;
  readonly further: readonly PlannedRollout[];
}

/** Asks the reflection model for new candidates, and plans their rollouts on the minibatches of their parents. */
export async function proposeChildren(
  search: Search,
  host: AlgorithmHost,
  state: GepaState,
  open: OpenStep & { readonly work: { readonly kind: 'proposals' } },
  finished: Finished,
): Promise<Extended> {
  const { proposals } = open.work;
  const reflections = await Promise.all(
    proposals.map(async (proposal) => await reflectOn(search, host, open.step, proposal, finished)),
  );
  const known = state.pool.length === 0 ? [search.first.texts] : state.pool.map(({ texts }) => texts);
  const outcomes = new Map<number, ProposalOutcome>();
  const further: PlannedRollout[] = [];
  for (const [position, { index, minibatch }] of proposals.entries()) {
    const outcome = reflections[position]!;
    const { child } = outcome;
    if (child === undefined || known.some((texts) => isSameTexts(texts, child.texts))) {
      const { child: _, ...others } = outcome;
      outcomes.set(index, { skipped: 'repeated', ...others });
      continue;
    }
    known.push(child.texts);
    outcomes.set(index, outcome);
    await keepTexts(host, child.id, child.texts);
    const name = `p${index}`;
    further.push(...planRollouts(host, { step: open.step, purpose: 'child', name, resourcesId: child.id }, minibatch));
  }
  return { open: { ...open, outcomes }, further };
}

/** Compares a merge with its parents on the subsample, and plans its rollouts on the selection tasks when it is accepted. */
export function selectMerge(
  host: AlgorithmHost,
  { pool, selection }: GepaState,
  open: OpenStep & { readonly work: { readonly kind: 'merge' } },
  { episodes }: Finished,
): Extended {
  const { merge, subsample } = open.work;
  const rewards = requireAll(findRewards(episodes, 'merge', 'm', subsample));
  const scoresOf = (position: number): readonly number[] =>
    subsample.map((task) => pool[position]!.scores[selection.indexOf(task)]!);
  const isAcceptedMerge =
    rewards !== undefined && isMergeAccepted([scoresOf(merge.first), scoresOf(merge.second)], rewards);
  const resourcesId = identifyTexts(merge.texts);
  return {
    open: { ...open, isMergeAccepted: isAcceptedMerge },
    further: isAcceptedMerge
      ? planRollouts(host, { step: open.step, purpose: 'selection', name: 'm', resourcesId }, selection)
      : [],
  };
}

async function reflectOn(
  { settings }: Search,
  host: AlgorithmHost,
  step: number,
  proposal: Proposal,
  { episodes }: Finished,
): Promise<ProposalOutcome> {
  const { prompts, guidance, ask, perfectReward } = settings;
  const { index, parent, components } = proposal;
  const examples = await gatherExamples(host, perfectReward, proposal, episodes);
  if (typeof examples === 'string') return { skipped: examples };
  const purpose = `s${step}.p${index}`;
  const reflection = await reflect(host, ask, {
    purpose,
    prompts,
    texts: parent.texts,
    components,
    examples,
    guidance,
  });
  if (reflection.kind !== 'texts') return { reflection, skipped: reflection.kind };
  return { reflection, child: { id: identifyTexts(reflection.texts), texts: reflection.texts } };
}
