import { randomOrder, seededRandom, type AlgorithmHost, type Episode } from '@agent-lightning/core';
import { identifyTexts } from '../prompts/prompt-set.ts';
import { critiqueAndEdit } from '../reflection/critique-and-edit.ts';
import type { Reflection } from '../reflection/reflect.ts';
import { gatherExamples, type NoExamples } from '../search/gather-examples.ts';
import { findRewards } from '../search/step-rollouts.ts';
import { minibatchAt } from '../decisions/minibatches.ts';
import type { ApoSettings } from './apo-options.ts';
import type { ApoEntry, ApoState } from './apo-state.ts';

/** A new candidate that a round asks for. */
export interface Branch {
  readonly index: number;
  readonly parent: ApoEntry;
  readonly minibatch: readonly number[];
  readonly component: string;
}

/** The work of one round. */
export interface Round {
  readonly branches: readonly Branch[];
  /** The selection tasks on which its candidates are compared. */
  readonly compared: readonly number[];
}

/** Plans a round: each candidate of the beam, or the beam in turns while it is not full, is asked for `branches` new ones, each from a minibatch of its own. */
export function planRound(
  settings: ApoSettings,
  seed: number,
  feedback: readonly number[],
  { beam, minibatches, selection }: ApoState,
  step: number,
): Round {
  const order = randomOrder(beam.length, seededRandom(seed, `apo/beam/${step}`));
  const parents = Array.from({ length: settings.beam }, (_, index) => beam[order[index % beam.length]!]!);
  const branches = parents.flatMap((parent, position) =>
    Array.from({ length: settings.branches }, (_, branch): Branch => {
      const index = position * settings.branches + branch;
      return {
        index,
        parent,
        minibatch: minibatchAt(minibatches + index, feedback, settings.minibatch, seed),
        component: settings.prompts[(minibatches + index) % settings.prompts.length]!.name,
      };
    }),
  );
  return { branches, compared: minibatchAt(step - 1, selection, settings.beamTasks, seed) };
}

/** The result of a branch: what its models answered, or why they were not asked. */
export type BranchResult = Reflection | NoExamples;

/** Asks for the new candidate of a branch, unless there is nothing to learn. */
export async function askForBranch(
  settings: ApoSettings,
  host: AlgorithmHost,
  step: number,
  branch: Branch,
  episodes: readonly Episode[],
): Promise<BranchResult> {
  const examples = await gatherExamples(host, settings.perfectReward, branch, episodes);
  if (typeof examples === 'string') return examples;
  const { prompts, guidance } = settings;
  const { texts } = branch.parent;
  const purpose = `s${step}.p${branch.index}`;
  const components = [branch.component];
  return await critiqueAndEdit(host, settings, { purpose, prompts, texts, components, examples, guidance });
}

/** Returns the new candidates of a round, each text once, and none that the beam has. */
export function listNew(
  beam: readonly ApoEntry[],
  branches: readonly Branch[],
  results: readonly BranchResult[],
  step: number,
): readonly ApoEntry[] {
  const known = new Set(beam.map(({ id }) => id));
  const found: ApoEntry[] = [];
  for (const [index, result] of results.entries()) {
    if (typeof result === 'string' || result.kind !== 'texts') continue;
    const id = identifyTexts(result.texts);
    if (known.has(id)) continue;
    known.add(id);
    found.push({ id, texts: result.texts, parent: branches[index]!.parent.id, step });
  }
  return found;
}

/**
 * Orders the candidates of a round by their mean reward, the best first, of equal ones the earlier. They are compared on the tasks on which all of them
 * have a reward; a candidate without any is last.
 */
export function rankCandidates(
  candidates: readonly ApoEntry[],
  compared: readonly number[],
  episodes: readonly Episode[],
): readonly { readonly entry: ApoEntry; readonly score: number | undefined }[] {
  const rows = candidates.map((entry) => ({ entry, rewards: findRewards(episodes, 'selection', entry.id, compared) }));
  const rewarded = rows.filter(({ rewards }) => rewards.some((reward) => reward !== undefined));
  const common = [...compared.keys()].filter((task) => rewarded.every(({ rewards }) => rewards[task] !== undefined));
  const scoreOf = (rewards: readonly (number | undefined)[]): number | undefined =>
    common.length === 0 || rewards[common[0]!] === undefined
      ? undefined
      : common.reduce((sum, task) => sum + rewards[task]!, 0) / common.length;
  return rows
    .map(({ entry, rewards }) => ({ entry, score: scoreOf(rewards) }))
    .sort((one, other) => (other.score ?? -Infinity) - (one.score ?? -Infinity) || 0);
}
