import type { Episode, LightningBatch, Transition } from '@agent-lightning/core';

/** Calls that continue an earlier call of their rollout, and are no part of its training sample. */
export interface SplitCalls {
  readonly calls: number;
  /** Tokens of their prompts that another sample has as well; all of them go through the model again. */
  readonly repeatedTokens: number;
}

/**
 * The most tokens at the end of an earlier prompt that a later one may lack: a template that opens a reply, such as with `<think>`, does not write
 * that into the history. More of it, and the message before the reply has another end, so the agent asks something else.
 */
const openingTokens = 4;

/**
 * Counts the calls that begin a training sample although they continue an earlier call: their prompt contains the earlier prompt, and
 * goes on with something else than the reply that was sampled, as when a chat template drops the thoughts of earlier replies.
 * @param episodes those of the batch
 */
export function countSplitCalls({ samples }: LightningBatch, episodes: readonly Episode[]): SplitCalls {
  const episodeOf = new Map(episodes.map((episode) => [episode.rollout.rolloutId, episode]));
  const roots = new Map(
    samples.map(({ rolloutId, callIndexes }) => [
      `${rolloutId} ${callIndexes[0]!}`,
      { rolloutId, root: callIndexes[0]! },
    ]),
  );
  let [calls, repeatedTokens] = [0, 0];
  for (const { rolloutId, root } of roots.values()) {
    const repeated = findContinued(episodeOf.get(rolloutId)!.transitions, root);
    if (repeated === undefined) continue;
    calls += 1;
    repeatedTokens += repeated;
  }
  return { calls, repeatedTokens };
}

/** Returns the tokens that a call has in common with the longest earlier prompt that it continues; undefined where it continues none. */
function findContinued(calls: readonly Transition[], index: number): number | undefined {
  const { policy, promptIds } = calls[index]!;
  const shared = calls.slice(0, index).flatMap((earlier) => {
    if (earlier.policy !== policy || promptIds.length <= earlier.promptIds.length) return [];
    const common = countCommon(earlier.promptIds, promptIds);
    return common >= earlier.promptIds.length - openingTokens ? [common] : [];
  });
  return shared.length === 0 ? undefined : Math.max(...shared);
}

function countCommon(earlier: Int32Array, later: Int32Array): number {
  let common = 0;
  while (common < earlier.length && earlier[common] === later[common]) common += 1;
  return common;
}
