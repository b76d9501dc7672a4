import type { Episode, LightningBatch, Transition } from '@agent-lightning/core';

/** Calls that continue an earlier call of their rollout, and are no part of its training sample. */
export interface SplitCalls {
  readonly calls: number;
  /** Tokens of their prompts that another sample has as well; all of them go through the model again. */
  readonly repeatedTokens: number;
}

/**
 * The most tokens at the end of an earlier prompt that a later one may lack: a template that opens a reply, such as with `<think>`, does
 * not write that into the history.
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
    const { transitions } = episodeOf.get(rolloutId)!;
    if (root >= transitions.length) continue; // an answer that was thrown away
    const repeated = findContinued(transitions, root);
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
    const common = countCommon(earlier.promptIds, promptIds);
    return earlier.policy === policy && isContinued(earlier.promptIds, promptIds, common) ? [common] : [];
  });
  return shared.length === 0 ? undefined : Math.max(...shared);
}

/**
 * Tells whether a prompt goes on after an earlier one. What it lacks of the earlier prompt must be a part of the opening of a reply, with
 * which both prompts end, and not all of it: where the message before the reply has another end, the agent asks something else.
 */
function isContinued(earlier: Int32Array, later: Int32Array, common: number): boolean {
  const missing = earlier.length - common;
  if (later.length <= earlier.length || missing > openingTokens) return false;
  return missing === 0 || missing < countCommon(earlier.toReversed(), later.toReversed());
}

/** Counts the tokens with which both begin. */
function countCommon(earlier: Int32Array, later: Int32Array): number {
  let common = 0;
  while (common < earlier.length && earlier[common] === later[common]) common += 1;
  return common;
}
