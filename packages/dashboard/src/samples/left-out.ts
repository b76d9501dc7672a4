import type { Episode, LightningBatch } from '@agent-lightning/core';
import type { LeftOut } from './shapes.ts';

/** The rollouts that a reason names. */
const namedRollouts = 100;

const flat = 'its group earned the same throughout: nothing tells its rollouts apart';
const alone = 'it is the only one of its group with a reward: there is nothing to compare it with';
const unrewarded = 'it ended without a reward';
const ofTheWorld = 'the world made it fail, which says nothing about the agent';
const noCalls = 'none of its model calls can be trained on';

/** Returns why nothing of a rollout was trained on, by its id; rollouts that were trained on are absent. */
export function findReasons(batch: LightningBatch, episodes: readonly Episode[]): ReadonlyMap<string, string> {
  const { zeroVarianceGroups, singletonGroups, missingReward, noTransitions } = batch.dropped;
  const sets = {
    missing: new Set(missingReward),
    noCalls: new Set(noTransitions),
    flat: new Set(zeroVarianceGroups),
    alone: new Set(singletonGroups),
  };
  const trained = new Set(batch.samples.map(({ rolloutId }) => rolloutId));
  return new Map(
    episodes.flatMap(({ rollout, failureKind }): [string, string][] => {
      const { rolloutId, groupId = rolloutId } = rollout;
      if (trained.has(rolloutId)) return [];
      if (sets.missing.has(rolloutId)) return [[rolloutId, failureKind === 'world' ? ofTheWorld : unrewarded]];
      if (sets.noCalls.has(rolloutId)) return [[rolloutId, noCalls]];
      // Where an estimator compares the whole batch, its one group has no name.
      if (sets.alone.has(groupId)) return [[rolloutId, alone]];
      return [[rolloutId, flat]];
    }),
  );
}

/** Gathers what was left out by reason, rollouts before calls, the most first. */
export function gatherLeftOut(episodes: readonly Episode[], reasons: ReadonlyMap<string, string>): readonly LeftOut[] {
  const rollouts = [...Map.groupBy(reasons, ([, reason]) => reason)].map(([reason, own]) =>
    toLeftOut(
      'rollouts',
      reason,
      own.map(([id]) => id),
    ),
  );
  const calls = episodes.flatMap(({ rollout, untrainable }) =>
    untrainable.map(({ reason }) => ({ id: rollout.rolloutId, reason })),
  );
  const byReason = [...Map.groupBy(calls, ({ reason }) => kindOfReason(reason)).values()].map((own) =>
    toLeftOut(
      'calls',
      own[0]!.reason,
      own.map(({ id }) => id),
    ),
  );
  const most = (list: readonly LeftOut[]): readonly LeftOut[] => list.toSorted((a, b) => b.count - a.count);
  return [...most(rollouts), ...most(byReason)];
}

/** Returns a reason without its numbers: calls that are too long for different lengths have one reason. */
function kindOfReason(reason: string): string {
  return reason.replaceAll(/\d+/g, '#');
}

function toLeftOut(what: LeftOut['what'], reason: string, ids: readonly string[]): LeftOut {
  return { what, reason, count: ids.length, rolloutIds: [...new Set(ids)].slice(0, namedRollouts) };
}
