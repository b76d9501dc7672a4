import type { FirstLogprobs } from './fixed-passes.ts';
import type { BatchSample, Episode, LightningBatch, RolloutExcerpt } from '@agent-lightning/core';

/** The groups of a step that are shown, and the rollouts of each. */
const keptGroups = 2;
const keptRollouts = 4;

/**
 * Chooses the best and the worst rollouts of the first groups that are trained on, for the report.
 * @param firstLogprobs of the policies; none where they are not compared with those of the sampler
 */
export function chooseExcerpts(
  batch: Pick<LightningBatch, 'samples' | 'groupIds'>,
  episodes: readonly Episode[],
  firstLogprobs: readonly FirstLogprobs[] = [],
): readonly RolloutExcerpt[] {
  const findFirst = ({ tokens }: BatchSample): Float32Array | undefined =>
    firstLogprobs.map((known) => known.get(tokens)).find((found) => found !== undefined);
  const byRollout = Map.groupBy(batch.samples, (sample) => sample.rolloutId);
  return batch.groupIds.slice(0, keptGroups).flatMap((groupId) => {
    const own = episodes
      .filter(({ rollout }) => (rollout.groupId ?? rollout.rolloutId) === groupId && byRollout.has(rollout.rolloutId))
      .toSorted((a, b) => (b.reward ?? 0) - (a.reward ?? 0));
    const half = Math.ceil(keptRollouts / 2);
    const chosen = own.length <= keptRollouts ? own : [...own.slice(0, half), ...own.slice(half - keptRollouts)];
    return chosen.map(({ rollout, reward, transitions, discarded = [] }): RolloutExcerpt => ({
      rolloutId: rollout.rolloutId,
      groupId,
      task: rollout.input,
      reward,
      samples: byRollout
        .get(rollout.rolloutId)!
        .map((sample) =>
          toShownSample(
            sample,
            (callIndex) => [...transitions, ...discarded][callIndex]?.agentName ?? '',
            findFirst(sample),
          ),
        ),
    }));
  });
}

function toShownSample(
  sample: BatchSample,
  agentNameOf: (callIndex: number) => string,
  firstLogprobs: Float32Array | undefined,
): RolloutExcerpt['samples'][number] {
  return {
    tokens: [...sample.tokens],
    lossMask: [...sample.lossMask],
    logprobs: round(sample.logprobs),
    ...(firstLogprobs !== undefined && { trainerLogprobs: round(firstLogprobs) }),
    segments: sample.segments.map(({ callIndex, policyVersion, start, end, advantage }) => ({
      agentName: agentNameOf(callIndex),
      callIndex,
      policyVersion,
      start,
      end,
      advantage,
    })),
  };
}

/** Returns log-probabilities with the digits that a reader needs to see how far two of them are apart. */
function round(logprobs: Float32Array): readonly number[] {
  return Array.from(logprobs, (value) => Number(value.toPrecision(6)));
}
