import type { EnqueueRequest, Rollout } from '@agent-lightning/core';
import type { AglConfig, AglRollout, AglTask, AttemptStatus, JsonObject, RolloutStatus } from './shapes.ts';

/** The member of a rollout's metadata that says what a client of Agent Lightning 0.3 gave and our rollouts have no field for. */
const metaName = 'agl03';

/** Holds what our rollouts have no field for. */
export interface RolloutMeta {
  /** True when the mode is null. */
  readonly noMode?: boolean;
  /** The id as it was given; it may name no resources at all. */
  readonly resourcesId?: string | null;
  readonly config: AglConfig;
  /** True when the metadata is null. */
  readonly noMetadata?: boolean;
  /** When the first rollout of this id was enqueued, in seconds; absent on the first. */
  readonly startTime?: number;
  /** The status that a client asked for, while the rollout waits in the queue. */
  readonly asked?: 'requeuing';
  /** Tells the step that enqueued the rollout from the same step of another server; absent on the first. */
  readonly step?: string;
}

export const defaultConfig: AglConfig = {
  timeout_seconds: null,
  unresponsive_seconds: null,
  max_attempts: 1,
  retry_condition: [],
};

/** The failure codes that are retried: all but the one by which this protocol ends a rollout for good. */
const retryCodes: readonly string[] = ['agent-failed', 'timed-out', 'no-progress', 'lease-expired'];
/** The failure code of an attempt that is not tried again, whatever its rollout's policy says. */
export const finalCode = 'agl03-final';
export const failedCode = 'agent-failed';

const longestMs = 30 * 24 * 3_600_000;
const retried: readonly string[] = ['failed', 'timeout', 'unresponsive'];

/** Tells whether a client of 0.3 made a rollout: one of a trainer of ours is not changed by them. */
export function readMeta(rollout: Rollout): RolloutMeta | undefined {
  return rollout.metadata[metaName] as unknown as RolloutMeta | undefined;
}

/** Says with what a rollout is enqueued, beside its task. */
export interface Placing {
  readonly rolloutId: string;
  readonly queue: string;
  /** True when our store has the resources that the task names. */
  readonly hasResources: boolean;
  readonly startTime?: number;
  readonly asked?: 'requeuing';
  readonly noMetadata?: boolean;
  readonly step?: string;
}

/** Returns the request of ours for a task of 0.3. */
export function toRequest(task: AglTask, placing: Placing): EnqueueRequest {
  const config = task.config ?? defaultConfig;
  const { rolloutId, queue, hasResources, startTime, asked, step, noMetadata = false } = placing;
  const meta: RolloutMeta = {
    config,
    ...(task.mode === null ? { noMode: true } : {}),
    ...(task.resources_id === null ? {} : { resourcesId: task.resources_id }),
    ...(noMetadata ? { noMetadata } : {}),
    ...(startTime === undefined ? {} : { startTime }),
    ...(asked === undefined ? {} : { asked }),
    ...(step === undefined ? {} : { step }),
  };
  const timeouts = {
    ...millisecondsOf('startToFinishMs', config.timeout_seconds),
    ...millisecondsOf('noProgressMs', config.unresponsive_seconds),
  };
  return {
    rolloutId,
    input: task.input,
    mode: task.mode ?? 'train',
    queue,
    ...(hasResources && task.resources_id !== null ? { resourcesId: task.resources_id } : {}),
    retry: {
      maxAttempts: Math.min(config.max_attempts, 100),
      retryOn: config.retry_condition.filter((status) => retried.includes(status)) as never,
      retryCodes,
    },
    timeouts,
    metadata: { ...task.metadata, [metaName]: meta as never },
  };
}

function millisecondsOf(name: string, seconds: number | null): Readonly<Record<string, number>> {
  if (seconds === null || seconds * 1_000 > longestMs) return {};
  return { [name]: Math.max(1, Math.ceil(seconds * 1_000)) };
}

/** Returns a rollout's fields as 0.3 has them, but for its id, its times and its status. */
export function taskOf(rollout: Rollout): Omit<AglRollout, 'rollout_id' | 'start_time' | 'end_time' | 'status'> {
  const meta = readMeta(rollout);
  const { [metaName]: _meta, ...metadata } = rollout.metadata;
  return {
    input: rollout.input,
    mode: meta?.noMode === true ? null : rollout.mode,
    resources_id: meta?.resourcesId === undefined ? (rollout.resourcesId ?? null) : meta.resourcesId,
    config: meta?.config ?? configOf(rollout),
    metadata: meta?.noMetadata === true ? null : (metadata as JsonObject),
  };
}

function configOf({ retry, timeouts }: Rollout): AglConfig {
  const { startToFinishMs, noProgressMs } = timeouts;
  return {
    timeout_seconds: startToFinishMs === undefined ? null : startToFinishMs / 1_000,
    unresponsive_seconds: noProgressMs === undefined ? null : noProgressMs / 1_000,
    max_attempts: retry.maxAttempts,
    retry_condition: retry.retryOn.filter((status): status is AttemptStatus => status !== 'cancelled'),
  };
}

/** Returns a rollout's status as 0.3 has it. */
export function statusOf(rollout: Rollout): RolloutStatus {
  return rollout.status === 'queuing' && readMeta(rollout)?.asked !== undefined ? 'requeuing' : rollout.status;
}
