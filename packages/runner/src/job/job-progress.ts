import type { Condition, ContainerState, ContainerStatus, Job, Pod } from './kubernetes-types.ts';

/** Says how far a Job is. */
export type JobProgress =
  /** The agent does not run yet; `reason` says what hinders it, where something does. */
  | { readonly kind: 'waiting'; readonly reason: string | undefined; readonly hindrance: Hindrance }
  | { readonly kind: 'running'; readonly pod: string }
  /** The agent's container ended; `endedBy` names what ended it, where more is known than its exit code. */
  | { readonly kind: 'ended'; readonly pod: string; readonly exitCode: number; readonly endedBy: string | undefined }
  /** The Job's own deadline ended it. */
  | { readonly kind: 'overdue' }
  /** It ended for a reason that is none of the agent's. */
  | { readonly kind: 'failed'; readonly why: string };

/** Says whether what hinders a start passes by itself: perhaps (`passing`), seldom (`image`), or never (`final`). */
export type Hindrance = 'passing' | 'image' | 'final';

/** Reasons of a waiting container that are how every container begins. */
const usualReasons: ReadonlySet<string | undefined> = new Set([undefined, 'ContainerCreating', 'PodInitializing']);
const imageReasons: ReadonlySet<string | undefined> = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'RegistryUnavailable',
]);
const finalReasons: ReadonlySet<string | undefined> = new Set([
  'InvalidImageName',
  'ErrImageNeverPull',
  'ImageInspectError',
]);
/** Reasons of a container that ended without ever having run, or of which the node says nothing any more. */
const neverRanReasons: ReadonlySet<string | undefined> = new Set([
  'StartError',
  'ContainerCannotRun',
  'ContainerStatusUnknown',
]);

/** Returns how far a Job is, by itself and its pods, which were asked for after it. */
export function readProgress(job: Job | undefined, pods: readonly Pod[], container: string): JobProgress {
  const pod = pods.toSorted((a, b) => createdAt(a).localeCompare(createdAt(b))).at(-1);
  if (job === undefined)
    return {
      kind: 'failed',
      why: 'it was deleted by someone else, or this process did not renew its Lease for two minutes',
    };
  const failed = findCondition(job.status?.conditions, 'Failed');
  if (failed?.reason === 'DeadlineExceeded') return { kind: 'overdue' };
  if (pod !== undefined) return podProgress(pod, container);
  if (failed !== undefined) return { kind: 'failed', why: `its pod is gone: ${words(failed)}` };
  if (findCondition(job.status?.conditions, 'Complete') !== undefined)
    return { kind: 'failed', why: 'its pod was deleted before its log was read' };
  return waiting(job.spec.suspend === true ? 'the Job is suspended' : undefined);
}

function podProgress(pod: Pod, container: string): JobProgress {
  const { status = {} } = pod;
  const state = stateOf(status.containerStatuses, container);
  const ended = state?.terminated;
  if (ended?.exitCode === 0) return { kind: 'ended', pod: pod.metadata.name!, exitCode: 0, endedBy: undefined };
  const disruption = findDisruption(pod);
  if (disruption !== undefined) return { kind: 'failed', why: disruption };
  if (ended !== undefined) return endProgress(pod, ended);
  const init = status.initContainerStatuses?.find(({ state: each }) => (each?.terminated?.exitCode ?? 0) !== 0);
  if (status.phase === 'Failed') return { kind: 'failed', why: initWords(init) ?? 'its pod failed without a word' };
  if (state?.running !== undefined) return { kind: 'running', pod: pod.metadata.name! };
  const hindered = [state, ...(status.initContainerStatuses ?? []).map((each) => each.state)].find(
    (each) => each?.waiting !== undefined && !usualReasons.has(each.waiting.reason),
  );
  if (hindered !== undefined) return hinderedProgress(hindered);
  const scheduled = status.conditions?.find(({ type }) => type === 'PodScheduled');
  return waiting(scheduled?.status === 'False' ? words(scheduled) : undefined);
}

function endProgress(pod: Pod, { exitCode, reason, message }: NonNullable<ContainerState['terminated']>): JobProgress {
  if (neverRanReasons.has(reason))
    return { kind: 'failed', why: `its container could not be started (${words({ reason, message })})` };
  // `Error` is what every exit code but 0 is called.
  const endedBy = reason === undefined || reason === 'Error' || reason === 'Completed' ? undefined : reason;
  return { kind: 'ended', pod: pod.metadata.name!, exitCode, endedBy };
}

function hinderedProgress({ waiting: why = {} }: ContainerState): JobProgress {
  const { reason } = why;
  const hindrance = finalReasons.has(reason) ? 'final' : imageReasons.has(reason) ? 'image' : 'passing';
  return { kind: 'waiting', reason: words(why), hindrance };
}

/** Returns why a pod was taken away that did nothing wrong, or more than its node gives: evicted, preempted, its node gone. */
function findDisruption({ metadata, status = {} }: Pod): string | undefined {
  if (status.phase === 'Failed' && status.reason !== undefined) return `its pod ended: ${words(status)}`;
  const disruption = findCondition(status.conditions, 'DisruptionTarget');
  return disruption === undefined ? undefined : `its pod ${metadata.name} was taken away: ${words(disruption)}`;
}

function initWords(status: ContainerStatus | undefined): string | undefined {
  const ended = status?.state?.terminated;
  if (status === undefined || ended === undefined) return undefined;
  return `its init container ${status.name} ended with exit code ${ended.exitCode} (${words(ended)})`;
}

function stateOf(statuses: readonly ContainerStatus[] | undefined, container: string): ContainerState | undefined {
  return statuses?.find(({ name }) => name === container)?.state;
}

function findCondition(conditions: readonly Condition[] | undefined, type: string): Condition | undefined {
  return conditions?.find((each) => each.type === type && each.status === 'True');
}

function waiting(reason: string | undefined): JobProgress {
  return { kind: 'waiting', reason, hindrance: 'passing' };
}

function words({
  reason,
  message,
}: {
  readonly reason?: string | undefined;
  readonly message?: string | undefined;
}): string {
  return [reason, message?.trim().slice(0, 1_000)].filter(Boolean).join(': ') || 'no reason given';
}

function createdAt({ metadata }: Pod): string {
  return `${metadata.creationTimestamp ?? ''} ${metadata.name}`;
}
