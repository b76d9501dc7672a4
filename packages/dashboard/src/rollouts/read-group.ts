import type { LightningStore } from '@agent-lightning/core';
import type { GroupDetails } from '../api.ts';
import { countCommon } from './count-common.ts';
import { readViews } from './read-rollout.ts';
import { stepOf } from '../step-of.ts';

/** The most rollouts of a group that stand beside each other. */
const shownRollouts = 64;

/** Reads the rollouts of a group; undefined where the store has none of this id. */
export async function readGroup(store: LightningStore, groupId: string): Promise<GroupDetails | undefined> {
  const { items } = await store.queryRollouts({ groupId, limit: shownRollouts });
  if (items.length === 0) return undefined;
  const rollouts = await readViews(store, items);
  const step = stepOf(items[0]!);
  return {
    id: groupId,
    ...(step !== undefined && { step }),
    task: items[0]!.input,
    rollouts,
    common: countCommon(rollouts.map(({ entries }) => entries)),
  };
}
