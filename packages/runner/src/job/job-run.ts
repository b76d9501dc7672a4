import { CapturedOutput } from '../command/captured-output.ts';
import type { ChildOutput } from '../command/child-run.ts';
import type { Supervised } from '../command/supervise.ts';
import type { ClusterObjects } from './cluster-objects.ts';
import { labels, type Secret } from './job-manifest.ts';
import type { JobOwner } from './job-owner.ts';
import type { JobProgress } from './job-progress.ts';
import { JobWait } from './job-wait.ts';
import { outageLimitMs, type JobWatch } from './job-watch.ts';
import type { Job } from './kubernetes-types.ts';

export interface JobRunOptions {
  readonly objects: ClusterObjects;
  readonly owner: JobOwner;
  readonly watch: JobWatch;
  /** The name of the Job and of its Secret. */
  readonly name: string;
  /** Names the Job and its image, for errors. */
  readonly subject: string;
  /** The name of the agent's container. */
  readonly container: string;
  /** Makes what is created of the reference to its owner. */
  readonly create: (ownerReference: object) => { readonly job: Job; readonly secret: Secret };
  /** The label that earlier attempts of this rollout have; undefined for the first. */
  readonly earlier: string | undefined;
  readonly startTimeoutMs: number;
  readonly timeoutMs: number | undefined;
  readonly maxOutputBytes: number;
  /** The text that is kept out of the output. */
  readonly secret: string | undefined;
}

type Ended = Extract<JobProgress, { readonly kind: 'ended' }>;

/** The time for which it is tried to read what explains a failure: events, or the log of a run whose time was over. */
const explanationPatienceMs = 30_000;
/** The time for which it is tried to delete what a Job leaves. Later, the end of its owner's Lease does. */
const removalPatienceMs = 20_000;

/** One Job: from its creation to its deletion. */
export class JobRun implements Supervised {
  readonly #options: JobRunOptions;
  readonly #stop = new AbortController();
  #log: CapturedOutput;
  #exitCode: number | null = null;
  #endedBy: string | undefined;

  constructor(options: JobRunOptions) {
    this.#options = options;
    this.#log = new CapturedOutput(options.maxOutputBytes);
  }

  /** Returns what the Job has left until now: its log, which holds both outputs, once it has been read. */
  get output(): ChildOutput {
    const stdout = this.#log.text(this.#options.secret);
    const by = this.#endedBy === undefined ? {} : { endedBy: this.#endedBy };
    return { stdout, stderr: '', exitCode: this.#exitCode, signal: null, ...by };
  }

  stop(reason: unknown): void {
    this.#stop.abort(reason);
  }

  /**
   * Runs the Job and resolves when its log has been read and it has been deleted.
   * @throws {ConfigurationError} `command-unavailable` · {TimeoutError} `timed-out` · the reason that `stop` was given
   */
  async ended(): Promise<ChildOutput> {
    const { owner } = this.#options;
    const ownerReference = await owner.hold(this.#stop.signal);
    try {
      return await this.#run(ownerReference);
    } finally {
      // The outcome of the attempt says more than an error of its removal would; the cluster removes what is left with the Lease.
      await owner.release().catch(() => undefined);
    }
  }

  async #run(ownerReference: object): Promise<ChildOutput> {
    const { job, secret } = this.#options.create(ownerReference);
    let isSecretOwned = false;
    try {
      await this.#removeEarlier();
      await this.#createSecretAndJob(job, secret);
      isSecretOwned = true;
      const { pod, exitCode, endedBy } = await this.#untilEnd();
      [this.#exitCode, this.#endedBy] = [exitCode, endedBy];
      await this.#readLog(pod, outageLimitMs);
      return this.output;
    } finally {
      await this.#remove(isSecretOwned);
    }
  }

  /** Deletes the Jobs of this rollout's earlier attempts: the store has given it to this one. */
  async #removeEarlier(): Promise<void> {
    const { objects, earlier } = this.#options;
    if (earlier === undefined) return;
    const options = { signal: this.#stop.signal };
    const jobs = await objects.list<Job>('jobs', { labelSelector: `${labels.rollout}=${earlier}` }, options);
    await Promise.all(jobs.map(({ metadata }) => objects.remove('jobs', metadata.name!, options)));
  }

  /** Creates the Secret, then the Job that reads it, and makes the Secret the Job's, so that it goes with it. */
  async #createSecretAndJob(job: Job, secret: Secret): Promise<void> {
    const { objects, name } = this.#options;
    // A request that is cut off may be carried out after the deletion that follows; so it is waited for.
    const options = { signal: new AbortController().signal, retriesUntil: this.#stop.signal };
    this.#stop.signal.throwIfAborted();
    await objects.create('secrets', secret, options);
    this.#stop.signal.throwIfAborted();
    const uid = await objects.createAndFind('jobs', job, options);
    const ownerReferences = [{ apiVersion: 'batch/v1', kind: 'Job', name, uid }];
    await objects.change('secrets', name, { metadata: { ownerReferences } }, options);
  }

  /** Resolves when the agent's container has ended. */
  async #untilEnd(): Promise<Ended> {
    const { watch, objects, name, subject, startTimeoutMs, timeoutMs } = this.#options;
    const { signal } = this.#stop;
    const readEvents = (): Promise<string | undefined> => readJobEvents(objects, name, signal);
    const wait = new JobWait({ subject, startTimeoutMs, timeoutMs, readEvents });
    const onAbort = (): void => wait.fail(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    const onProgress = (progress: JobProgress): void => wait.see(progress);
    const unwatch = watch.watch(name, { onProgress, onError: (error) => wait.fail(error) });
    try {
      return await wait.ended();
    } catch (error) {
      // What was written until the time was over tells what the agent was doing.
      if (wait.pod !== undefined && !signal.aborted)
        await this.#readLog(wait.pod, explanationPatienceMs).catch(() => undefined);
      throw error;
    } finally {
      unwatch();
      signal.removeEventListener('abort', onAbort);
    }
  }

  async #readLog(pod: string, patienceMs: number): Promise<void> {
    const { objects, container, maxOutputBytes } = this.#options;
    const restart = (): void => void (this.#log = new CapturedOutput(maxOutputBytes));
    const write = (chunk: Buffer): void => this.#log.write(chunk);
    await objects.readLog(pod, container, { restart, write }, { signal: this.#stop.signal, patienceMs });
  }

  /** Deletes the Job, with its pod and the Secret that it owns, as far as the cluster lets us. */
  async #remove(isSecretOwned: boolean): Promise<void> {
    const { objects, name } = this.#options;
    const options = { signal: new AbortController().signal, patienceMs: removalPatienceMs };
    const kinds = isSecretOwned ? (['jobs'] as const) : (['jobs', 'secrets'] as const);
    await Promise.allSettled(kinds.map((kind) => objects.remove(kind, name, options)));
  }
}

/** Returns the newest event of a Job, which says why it has no pod: a quota, or a rule of the cluster. */
async function readJobEvents(objects: ClusterObjects, name: string, signal: AbortSignal): Promise<string | undefined> {
  const fieldSelector = `involvedObject.name=${name}`;
  const events = await objects.list<{ readonly reason?: string; readonly message?: string }>(
    'events',
    { fieldSelector },
    { signal, patienceMs: explanationPatienceMs },
  );
  const { reason, message } = events.findLast((each) => each.reason?.startsWith('Failed')) ?? {};
  return message === undefined ? undefined : `${reason}: ${message}`;
}
