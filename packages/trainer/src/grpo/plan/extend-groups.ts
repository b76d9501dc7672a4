import type { PlannedRollout } from '@agent-lightning/core';
import { planMore } from '@agent-lightning/run';
import { isFailed, isFlat, type GroupRewards, type RewardRange } from './group-rewards.ts';

/** The reason why a rollout was added to a step: it is in the rollout's metadata, as `more`. */
export type ExtensionReason = 'lost' | 'failed' | 'flat';

/** The limits of what is added to the groups of a step. */
export interface ExtensionLimits {
  /** Rollouts that a group gets once when all of its members failed. */
  readonly rolloutsPerFailedGroup: number;
  /** Groups that a step should have. */
  readonly groups: number;
  /** Groups that a step may get more, in place of those whose rewards are all equal. */
  readonly furtherGroups: number;
}

/** Further rollouts of a step. */
export interface GroupExtension {
  /** Further rollouts of groups that the step has. */
  readonly rollouts: readonly PlannedRollout[];
  /** The number of further tasks that the step takes. */
  readonly tasks: number;
}

/**
 * Decides what a step needs more, when everything that was planned for it is final:
 *
 * - a group that lost members is filled up to its size, once;
 * - a group whose members all failed gets some more rollouts, once: a single success makes it a lesson;
 * - a group whose rewards are all equal, and which is not extended now, is replaced by a further task, up to a limit.
 *
 * Nothing is added to a step without any reward: nothing says then what it lacks.
 */
export function extendGroups(
  groups: readonly GroupRewards[],
  range: RewardRange | undefined,
  limits: ExtensionLimits,
): GroupExtension {
  if (groups.every(({ rewards }) => rewards.length === 0)) return { rollouts: [], tasks: 0 };
  const extensions = groups.map((group) => extendGroup(group, range, limits));
  const replaceable = groups.filter((group, index) => extensions[index]!.length === 0 && isFlat(group)).length;
  const added = groups.length - limits.groups;
  const tasks = Math.max(0, Math.min(replaceable, limits.furtherGroups) - added);
  return { rollouts: extensions.flat(), tasks };
}

function extendGroup(
  group: GroupRewards,
  range: RewardRange | undefined,
  { rolloutsPerFailedGroup }: ExtensionLimits,
): readonly PlannedRollout[] {
  if (group.lost > 0 && !wasExtended(group, 'lost')) return planMore(group.planned, group.lost, { more: 'lost' });
  if (isFailed(group, range) && !wasExtended(group, 'failed'))
    return planMore(group.planned, rolloutsPerFailedGroup, { more: 'failed' });
  return [];
}

function wasExtended({ planned }: GroupRewards, reason: ExtensionReason): boolean {
  return planned.some(({ metadata }) => metadata['more'] === reason);
}
