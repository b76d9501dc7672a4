import { check, type EnqueueRequest, type JsonValue, type PlannedRollout } from '@agent-lightning/core';

/** Plans the rollouts of a training step: each task `groupSize` times, as one group. @param firstGroup number of the first of these groups in the step */
export function planGroups(
  step: number,
  tasks: readonly unknown[],
  taskIndexes: readonly number[],
  groupSize: number,
  resourcesId?: string,
  firstGroup: number = 0,
): readonly PlannedRollout[] {
  return taskIndexes.flatMap((taskIndex, position) => {
    const groupKey = `s${step}.g${firstGroup + position}`;
    return Array.from({ length: groupSize }, (_, sample): PlannedRollout => ({
      key: `${groupKey}.k${sample}`,
      input: tasks[taskIndex] as JsonValue,
      mode: 'train',
      groupKey,
      ...(resourcesId === undefined ? {} : { resourcesId }),
      metadata: { step, task: taskIndex, sample },
    }));
  });
}

/** Plans further rollouts of a group. @param group all of its rollouts that were planned before, at least one @param metadata added to theirs */
export function planMore(
  group: readonly PlannedRollout[],
  count: number,
  metadata: PlannedRollout['metadata'] = {},
): readonly PlannedRollout[] {
  const { groupKey, ...first } = group[0]!;
  if (groupKey === undefined) throw check.optionInvalid('planMore: groupKey', groupKey, 'the key of a group');
  return Array.from({ length: count }, (_, index) => {
    const sample = group.length + index;
    const key = `${groupKey}.k${sample}`;
    return { ...first, key, groupKey, metadata: { ...first.metadata, ...metadata, sample } };
  });
}

/** Plans the rollouts of a validation after `step`: each task once. */
export function planValidation(
  step: number,
  tasks: readonly unknown[],
  taskIndexes: readonly number[],
  resourcesId?: string,
): readonly PlannedRollout[] {
  return taskIndexes.map((taskIndex) => ({
    key: `v${step}.t${taskIndex}`,
    input: tasks[taskIndex] as JsonValue,
    mode: 'val',
    ...(resourcesId === undefined ? {} : { resourcesId }),
    metadata: { step, task: taskIndex },
  }));
}

/**
 * Plans the rollouts of an evaluation after `step`: each task `samples` times, in the mode `test`, from which nothing is trained and in which
 * the policy samples as it does in training.
 */
export function planEvaluation(
  step: number,
  tasks: readonly unknown[],
  taskIndexes: readonly number[],
  samples: number,
  resourcesId?: string,
): readonly PlannedRollout[] {
  return taskIndexes.flatMap((taskIndex) =>
    Array.from({ length: samples }, (_, sample): PlannedRollout => ({
      key: `e${step}.t${taskIndex}.k${sample}`,
      input: tasks[taskIndex] as JsonValue,
      mode: 'test',
      ...(resourcesId === undefined ? {} : { resourcesId }),
      metadata: { step, task: taskIndex, sample },
    })),
  );
}

/** Returns the store's name for something that has a name within a run. */
export function nameInRun(runId: string, name: string): string {
  return `${runId}.${name}`;
}

/**
 * Returns the request for a planned rollout; generation 0 is the first request, later ones replace rollouts that an earlier process did not
 * finish, and say so in their metadata: an engine in this process then draws for them what it drew for the first.
 */
export function toEnqueueRequest(
  runId: string,
  planned: PlannedRollout,
  generation: number,
): EnqueueRequest & { readonly rolloutId: string } {
  const firstId = nameInRun(runId, planned.key);
  const replaces = generation > 0;
  return {
    rolloutId: replaces ? `${firstId}.r${generation}` : firstId,
    runId,
    input: planned.input,
    mode: planned.mode,
    // A validation is waited for while rollouts of later steps are queued.
    ...(planned.mode === 'train' ? {} : { priority: 1 }),
    metadata: replaces ? { ...planned.metadata, replaces: firstId } : planned.metadata,
    ...(planned.resourcesId === undefined ? {} : { resourcesId: nameInRun(runId, planned.resourcesId) }),
    ...(planned.groupKey === undefined ? {} : { groupId: nameInRun(runId, planned.groupKey) }),
  };
}
