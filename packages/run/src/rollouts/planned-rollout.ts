import type { EnqueueRequest, JsonValue, PlannedRollout } from '@agent-lightning/core';

/** Plans the rollouts of a training step: each task `groupSize` times, as one group. */
export function planGroups(
  step: number,
  tasks: readonly unknown[],
  taskIndexes: readonly number[],
  groupSize: number,
  resourcesId?: string,
): readonly PlannedRollout[] {
  return taskIndexes.flatMap((taskIndex, position) =>
    Array.from({ length: groupSize }, (_, sample): PlannedRollout => ({
      key: `s${step}.g${position}.k${sample}`,
      input: tasks[taskIndex] as JsonValue,
      mode: 'train',
      groupKey: `s${step}.g${position}`,
      ...(resourcesId === undefined ? {} : { resourcesId }),
      metadata: { step, task: taskIndex, sample },
    })),
  );
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

/** Returns the request for a planned rollout; generation 0 is the first request, later ones replace rollouts that an earlier process did not finish. */
export function toEnqueueRequest(
  runId: string,
  planned: PlannedRollout,
  generation: number,
): EnqueueRequest & { readonly rolloutId: string } {
  return {
    rolloutId: nameInRun(runId, `${planned.key}${generation === 0 ? '' : `.r${generation}`}`),
    runId,
    input: planned.input,
    mode: planned.mode,
    // A validation is waited for while rollouts of later steps are queued.
    ...(planned.mode === 'train' ? {} : { priority: 1 }),
    metadata: planned.metadata,
    ...(planned.resourcesId === undefined ? {} : { resourcesId: nameInRun(runId, planned.resourcesId) }),
    ...(planned.groupKey === undefined ? {} : { groupId: nameInRun(runId, planned.groupKey) }),
  };
}
