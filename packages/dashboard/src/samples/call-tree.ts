import { buildDemonstrations, type BatchSample, type Episode, type Transition } from '@agent-lightning/core';
import type { Layout, PartingPoint, TreeCall, TreeSample } from './shapes.ts';

/** Returns the texts of tokens; undefined where only their ids are known. */
export type TextsOf = ((tokens: ArrayLike<number>) => readonly string[]) | undefined;

/** The characters of an answer, and of each side of a parting point, that are shown. */
const shownCharacters = 160;
/** The tokens of each side of a parting point that are shown. */
const shownTokens = 12;

/** Builds the samples that the calls of a rollout become by their tokens alone, whatever it earned. */
export function buildStructure(episode: Episode, layout: Layout): readonly BatchSample[] {
  return buildDemonstrations([episode], { samples: layout, tokenWeighting: 'rollout' });
}

/**
 * Returns the calls of a rollout as the tree of token prefixes that samples make of them.
 * @param samples those of the rollout; each names its calls from the root to the leaf
 * @param discarded the answers that were thrown away, where samples were made of them: they follow the other calls
 */
export function toTree(
  { transitions }: Pick<Episode, 'transitions'>,
  samples: readonly BatchSample[],
  textsOf: TextsOf,
  discarded: readonly Transition[] = [],
): { readonly calls: readonly TreeCall[]; readonly samples: readonly TreeSample[] } {
  const all = [...transitions, ...discarded];
  const parents = findParents(samples);
  const trainedIn = findTrained(samples);
  const calls = all.flatMap((call, index): TreeCall[] => {
    const sample = trainedIn.get(index);
    return sample === undefined ? [] : [toTreeCall(all, index, { call, parents, sample, textsOf })];
  });
  return { calls, samples: samples.map(toTreeSample) };
}

function findParents(samples: readonly BatchSample[]): ReadonlyMap<number, number> {
  return new Map(
    samples.flatMap(({ callIndexes }) =>
      callIndexes.slice(1).map((call, position): [number, number] => [call, callIndexes[position]!]),
    ),
  );
}

/** Returns the sample in which each call's response is trained on. */
function findTrained(samples: readonly BatchSample[]): ReadonlyMap<number, number> {
  return new Map(
    samples.flatMap(({ segments }, number) => segments.map(({ callIndex }): [number, number] => [callIndex, number])),
  );
}

interface Placed {
  readonly call: Transition;
  readonly parents: ReadonlyMap<number, number>;
  readonly sample: number;
  readonly textsOf: TextsOf;
}

function toTreeCall(all: readonly Transition[], index: number, { call, parents, sample, textsOf }: Placed): TreeCall {
  const { spanId, agentName, policy, policyVersion, promptIds, responseIds, finishReason, reward } = call;
  const parent = parents.get(index);
  const parts = parent === undefined ? findParting(all, index, textsOf) : undefined;
  return {
    index,
    spanId,
    agentName,
    policy,
    policyVersion,
    promptTokens: promptIds.length,
    responseTokens: responseIds.length,
    finishReason,
    ...(parent !== undefined && { parent }),
    depth: depthOf(index, parents),
    sample,
    ...(textsOf !== undefined && { answer: shorten(textsOf(responseIds).join('')) }),
    ...(reward !== undefined && { reward }),
    ...(parts !== undefined && { parts }),
  };
}

function depthOf(index: number, parents: ReadonlyMap<number, number>): number {
  let depth = 0;
  for (let at = parents.get(index); at !== undefined; at = parents.get(at)) depth += 1;
  return depth;
}

function toTreeSample({ policy, callIndexes, segments, tokens, lossMask }: BatchSample): TreeSample {
  return {
    policy,
    calls: callIndexes,
    trainedCalls: segments.map(({ callIndex }) => callIndex),
    tokens: tokens.length,
    trainedTokens: lossMask.reduce((sum, bit) => sum + bit, 0),
  };
}

/**
 * Finds the earlier call that a prompt continues token for token, else the one with which it shares the most tokens, and where it leaves
 * that call; undefined where it shares none.
 */
export function findParting(all: readonly Transition[], index: number, textsOf: TextsOf): PartingPoint | undefined {
  const { promptIds } = all[index]!;
  const shares = all.slice(0, index).map((earlier, call) => {
    const shared = countShared(earlier, promptIds);
    const of = earlier.promptIds.length + earlier.responseIds.length;
    return { call, shared, of, isWhole: shared === of };
  });
  const [nearest] = shares.toSorted(
    (a, b) => Number(b.isWhole) - Number(a.isWhole) || b.shared - a.shared || b.call - a.call,
  );
  if (nearest === undefined || nearest.shared === 0) return undefined;
  const { call, shared, of, isWhole } = nearest;
  const earlier = all[call]!;
  const because = isWhole ? whyNoContinuation(earlier, all[index]!) : undefined;
  const show = (from: readonly number[]): string =>
    shorten(textsOf!(from.slice(shared, shared + shownTokens)).join(''));
  return {
    call,
    shared,
    of,
    ...(textsOf !== undefined &&
      because === undefined && {
        before: show([...earlier.promptIds, ...earlier.responseIds]),
        after: show([...promptIds]),
      }),
    ...(because !== undefined && { because }),
  };
}

function whyNoContinuation(earlier: Transition, later: Transition): PartingPoint['because'] {
  if (earlier.policy !== later.policy) return 'policy';
  return (earlier.temperature ?? 1) === (later.temperature ?? 1) ? undefined : 'temperature';
}

/** Counts the tokens with which a prompt and an earlier prompt with its response begin alike. */
function countShared({ promptIds, responseIds }: Transition, prompt: Int32Array): number {
  let shared = 0;
  while (shared < promptIds.length && shared < prompt.length && promptIds[shared] === prompt[shared]) shared += 1;
  if (shared < promptIds.length) return shared;
  for (let t = 0; t < responseIds.length && shared < prompt.length && responseIds[t] === prompt[shared]; t += 1)
    shared += 1;
  return shared;
}

function shorten(text: string): string {
  return text.length <= shownCharacters ? text : `${text.slice(0, shownCharacters).toWellFormed()}…`;
}
