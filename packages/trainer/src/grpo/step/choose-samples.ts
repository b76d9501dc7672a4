import type { BatchRow, Episode, LightningBatch, RolloutSample } from '@agent-lightning/core';

/** The groups of a step that are shown, and the rollouts of each. */
const keptGroups = 2;
const keptRollouts = 4;

/** Chooses the best and the worst rollouts of the first groups that are trained on, for the report. */
export function chooseSamples(batch: LightningBatch, episodes: readonly Episode[]): readonly RolloutSample[] {
  const byRollout = Map.groupBy(batch.rows, (row) => row.rolloutId);
  return batch.groupIds.slice(0, keptGroups).flatMap((groupId) => {
    const own = episodes
      .filter(({ rollout }) => (rollout.groupId ?? rollout.rolloutId) === groupId && byRollout.has(rollout.rolloutId))
      .toSorted((a, b) => (b.reward ?? 0) - (a.reward ?? 0));
    const half = Math.ceil(keptRollouts / 2);
    const chosen = own.length <= keptRollouts ? own : [...own.slice(0, half), ...own.slice(half - keptRollouts)];
    return chosen.map(({ rollout, reward, transitions }): RolloutSample => ({
      rolloutId: rollout.rolloutId,
      groupId,
      task: rollout.input,
      reward,
      rows: byRollout
        .get(rollout.rolloutId)!
        .map((row) => toSampledRow(row, (callIndex) => transitions[callIndex]?.agentName ?? '')),
    }));
  });
}

function toSampledRow(row: BatchRow, agentNameOf: (callIndex: number) => string): RolloutSample['rows'][number] {
  return {
    tokens: [...row.tokens],
    lossMask: [...row.lossMask],
    logprobs: Array.from(row.logprobs, (value) => Number(value.toPrecision(4))),
    segments: row.segments.map(({ callIndex, policyVersion, start, end, advantage }) => ({
      agentName: agentNameOf(callIndex),
      callIndex,
      policyVersion,
      start,
      end,
      advantage,
    })),
  };
}
