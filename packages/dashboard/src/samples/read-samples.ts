import type { BatchSample, Episode, LightningBatch } from '@agent-lightning/core';
import type { RunConfig } from '@agent-lightning/run';
import { largestStep, readEpisodes, readFinished, readStep } from '../rollouts/read-step.ts';
import type { TokenContext } from '../rollouts/read-tokens.ts';
import { shortTask } from '../rollouts/rollout-entry.ts';
import { stepOf } from '../step-of.ts';
import { buildStructure, toTree } from './call-tree.ts';
import { findReasons, gatherLeftOut } from './left-out.ts';
import type { Layout, RolloutSamples, RolloutTree, SampleSums, StepSamples } from './shapes.ts';

/** The parts of a run from which its samples are computed again. */
export type SampleContext = Omit<TokenContext, 'excerpts'>;

/** Reads how the calls of a step became training samples, and what was left out. */
export async function readStepSamples(context: SampleContext, step: number): Promise<StepSamples> {
  const layout = readLayout(context.config);
  const computed = await readStep(context, step);
  const ids = context.idsOfStep(step);
  const episodes =
    typeof computed !== 'string'
      ? computed.episodes
      : ids.length > largestStep
        ? []
        : await readFinished(context.store, ids);
  const batch = typeof computed === 'string' ? undefined : computed.batch;
  const samplesOf = groupSamples(batch);
  const reasons = batch === undefined ? new Map<string, string>() : findReasons(batch, episodes);
  const rollouts = episodes.map((episode) =>
    describeRollout(episode, {
      samples: batch === undefined ? structureOf(episode, layout) : (samplesOf.get(episode.rollout.rolloutId) ?? []),
      leftOut: reasons.get(episode.rollout.rolloutId),
    }),
  );
  const used = sumUp(episodes, rollouts);
  const line = context.metrics.find((metrics) => metrics.step === step);
  return {
    step,
    ...(layout !== undefined && { layout }),
    used,
    leftOut: gatherLeftOut(episodes, reasons),
    rollouts,
    remarks: typeof computed === 'string' ? remarksOfUnknown(computed) : remarksOfComputed(used, line),
  };
}

/** Reads the tree of one rollout's calls, and the samples that were made of it; undefined where the store has none of this id. */
export async function readRolloutTree(context: SampleContext, rolloutId: string): Promise<RolloutTree | undefined> {
  const rollout = await context.store.getRollout(rolloutId);
  if (rollout === undefined) return undefined;
  const [own] = await readEpisodes(context.store, [rollout]);
  const layout = readLayout(context.config);
  const textsOf = context.texts.source === 'none' ? undefined : context.texts.of;
  const computed =
    rollout.mode === 'train'
      ? await readStep(context, stepOf(rollout))
      : 'This rollout measures the agent: nothing is trained from it.';
  const scored =
    typeof computed === 'string' ? undefined : computed.episodes.find((each) => each.rollout.rolloutId === rolloutId);
  const episode = scored ?? own!;
  const trained = typeof computed === 'string' ? [] : (groupSamples(computed.batch).get(rolloutId) ?? []);
  const samples = trained.length > 0 ? trained : structureOf(episode, layout);
  const leftOut = typeof computed === 'string' ? undefined : whyLeftOut(computed.batch, scored);
  const tree = toTree(episode, samples, textsOf, trained.length > 0 ? episode.discarded : []);
  return {
    ...(layout !== undefined && { layout }),
    ...(leftOut !== undefined && { leftOut }),
    calls: typeof computed === 'string' ? tree.calls : withCredit(tree.calls, computed.batch, rolloutId, samples),
    samples: tree.samples,
    untrainable: episode.untrainable.map(({ spanId, agentName, reason }) => ({ spanId, agentName, reason })),
    remarks: typeof computed === 'string' ? remarksOfUnknown(computed) : [],
  };
}

function whyLeftOut(batch: LightningBatch, scored: Episode | undefined): string | undefined {
  if (scored === undefined) return 'it did not come to an end of its own, so the step had nothing of it';
  return findReasons(batch, [scored]).get(scored.rollout.rolloutId);
}

/** Adds what credit assignment and the estimator gave each call. */
function withCredit(
  calls: RolloutTree['calls'],
  batch: LightningBatch,
  rolloutId: string,
  samples: readonly BatchSample[],
): RolloutTree['calls'] {
  const returns = batch.returns.get(rolloutId);
  const isTrained = batch.advantages.has(rolloutId);
  const advantages = new Map(
    samples.flatMap(({ segments }) => segments.map(({ callIndex, advantage }) => [callIndex, advantage] as const)),
  );
  return calls.map((call) => {
    const [credit, advantage] = [returns?.[call.index], isTrained ? advantages.get(call.index) : undefined];
    return { ...call, ...(credit !== undefined && { credit }), ...(advantage !== undefined && { advantage }) };
  });
}

function groupSamples(batch: LightningBatch | undefined): ReadonlyMap<string, readonly BatchSample[]> {
  return Map.groupBy(batch?.samples ?? [], ({ rolloutId }) => rolloutId);
}

function structureOf(episode: Episode, layout: Layout | undefined): readonly BatchSample[] {
  return buildStructure(episode, layout ?? 'trajectory');
}

/** Reads the layout of samples from the options of a run; undefined where they do not tell. */
function readLayout(config: RunConfig | undefined): Layout | undefined {
  const layout = config?.['algorithm.samples'];
  return layout === 'transition' || layout === 'trajectory' ? layout : undefined;
}

function describeRollout(
  { rollout, reward, transitions, untrainable }: Episode,
  { samples, leftOut }: { readonly samples: readonly BatchSample[]; readonly leftOut: string | undefined },
): RolloutSamples {
  const { rolloutId, groupId, input } = rollout;
  return {
    id: rolloutId,
    ...(groupId !== undefined && { group: groupId }),
    task: shortTask(input),
    ...(reward !== undefined && { reward }),
    calls: transitions.length,
    untrainable: untrainable.length,
    samples: samples.length,
    trainedTokens: samples.reduce((sum, { lossMask }) => sum + lossMask.reduce((bits, bit) => bits + bit, 0), 0),
    sampleTokens: samples.reduce((sum, { tokens }) => sum + tokens.length, 0),
    ...(leftOut !== undefined && { leftOut }),
  };
}

function sumUp(episodes: readonly Episode[], rollouts: readonly RolloutSamples[]): SampleSums {
  const used = rollouts
    .map((each, index) => ({ ...each, episode: episodes[index]! }))
    .filter(({ samples }) => samples > 0);
  const sum = (read: (each: (typeof used)[number]) => number): number =>
    used.reduce((all, each) => all + read(each), 0);
  return {
    rollouts: used.length,
    calls: sum(({ calls }) => calls),
    samples: sum(({ samples }) => samples),
    trainedTokens: sum(({ trainedTokens }) => trainedTokens),
    sampleTokens: sum(({ sampleTokens }) => sampleTokens),
    callTokens: sum(({ episode }) =>
      episode.transitions.reduce((all, { promptIds, responseIds }) => all + promptIds.length + responseIds.length, 0),
    ),
  };
}

function remarksOfUnknown(reason: string): readonly string[] {
  return [
    reason,
    'So what of it was trained on is not known here; the figures are those of every rollout with calls, by their tokens alone.',
  ];
}

/** Says where the figures come from, and where the trainer counted others: it leaves out calls by limits that are not kept. */
function remarksOfComputed(used: SampleSums, line: object | undefined): readonly string[] {
  const counted = (line as { readonly samples?: unknown } | undefined)?.samples;
  return [
    'The samples are computed again from the rollouts of the step by the options of the run.',
    ...(typeof counted !== 'number' || counted === used.samples
      ? []
      : [
          `The run itself counted ${counted} samples, and not ${used.samples}: calls that it left out by its limits, as too long, too old or cut off, are among those here.`,
        ]),
  ];
}
