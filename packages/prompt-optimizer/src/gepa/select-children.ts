import { seededRandom, type AlgorithmHost, type Episode, type PlannedRollout } from '@agent-lightning/core';
import { compareWithParent } from '../decisions/acceptance.ts';
import { drawFurtherTasks } from '../decisions/minibatches.ts';
import { addRewards, estimateNoise } from '../decisions/noise.ts';
import { findRewards, listRewards, pairRewards, planRollouts } from '../search/step-rollouts.ts';
import type { Extended, Finished, OpenStep } from './extend-work.ts';
import type { GepaState } from './gepa-state.ts';
import type { Proposal, ProposalOutcome, Search } from './plan-work.ts';

/** The most tasks of a comparison, as a multiple of the minibatch: it may go on twice, each time with three times the tasks. */
export const mostGrowth = 9;

type ProposalStep = OpenStep & { readonly work: { readonly kind: 'proposals' } };
type Comparison = ReturnType<typeof compareWithParent>;

/**
 * Compares new candidates with their parents. The accepted ones get rollouts on the selection tasks, and those whose comparison is open get further
 * tasks, as far as the budget can pay for them and for the selection tasks after them.
 */
export function selectChildren(
  search: Search,
  host: AlgorithmHost,
  state: GepaState,
  open: ProposalStep,
  { episodes }: Finished,
): Extended {
  const { settings, sizes } = search;
  const outcomes = new Map(open.outcomes);
  const noise = estimateNoise(addRewards(state.seen, listRewards(episodes)));
  const compared = open.work.proposals.flatMap((proposal) => {
    const outcome = outcomes.get(proposal.index)!;
    if (outcome.child === undefined || outcome.isAccepted !== undefined) return [];
    return [{ proposal, comparison: compare(search, proposal, outcome, noise, episodes) }];
  });
  const running = compared.filter(({ comparison }) => comparison !== 'rejected').length;
  let left = settings.budget - state.spent - episodes.length - running * sizes.selection;
  const further: PlannedRollout[] = [];
  for (const { proposal, comparison } of compared) {
    const outcome = outcomes.get(proposal.index)!;
    const more = comparison === 'open' ? findFurther(search, open.step, proposal, outcome, left) : [];
    left -= 2 * more.length;
    const next = more.length > 0 ? goOn(proposal, outcome, more) : decide(settings.acceptance, outcome, comparison);
    outcomes.set(proposal.index, next);
    further.push(...planNext(host, open.step, proposal, next, { more, selection: state.selection }));
  }
  return { open: { ...open, outcomes }, further };
}

function compare(
  { settings }: Search,
  { index, minibatch }: Proposal,
  { compared = minibatch }: ProposalOutcome,
  noise: number,
  episodes: readonly Episode[],
): Comparison {
  const [before, after] = pairRewards(
    findRewards(episodes, 'parent', `p${index}`, compared),
    findRewards(episodes, 'child', `p${index}`, compared),
  );
  return before.length === 0 ? 'rejected' : compareWithParent(before, after, noise, settings.acceptance);
}

/** Returns the tasks by which an open comparison goes on; none when it cannot. @param left the rollouts that may be spent on them */
function findFurther(
  { feedback, seed }: Search,
  step: number,
  { index, minibatch }: Proposal,
  { compared = minibatch }: ProposalOutcome,
  left: number,
): readonly number[] {
  if (compared.length >= mostGrowth * minibatch.length) return [];
  const random = seededRandom(seed, `gepa/further/${step}/${index}/${compared.length}`);
  const more = drawFurtherTasks(compared, feedback, random);
  return 2 * more.length <= left ? more : [];
}

function goOn({ minibatch }: Proposal, outcome: ProposalOutcome, more: readonly number[]): ProposalOutcome {
  return { ...outcome, compared: [...(outcome.compared ?? minibatch), ...more] };
}

/** Ends a comparison. One that stays open has found no gain that is clear, and no loss. */
function decide(rule: string, outcome: ProposalOutcome, comparison: Comparison): ProposalOutcome {
  const isAccepted = comparison === 'accepted' || (comparison === 'open' && rule === 'improvement-or-equal');
  return { ...outcome, isAccepted };
}

function planNext(
  host: AlgorithmHost,
  step: number,
  { index, parent }: Proposal,
  { child, isAccepted }: ProposalOutcome,
  { more, selection }: { readonly more: readonly number[]; readonly selection: readonly number[] },
): readonly PlannedRollout[] {
  const name = `p${index}`;
  const resourcesId = child!.id;
  if (isAccepted === true) return planRollouts(host, { step, purpose: 'selection', name, resourcesId }, selection);
  return [
    ...planRollouts(host, { step, purpose: 'parent', name, resourcesId: parent.id }, more),
    ...planRollouts(host, { step, purpose: 'child', name, resourcesId }, more),
  ];
}
