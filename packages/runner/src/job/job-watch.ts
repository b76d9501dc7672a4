import type { Clock } from '@agent-lightning/platform';
import type { ClusterObjects } from './cluster-objects.ts';
import { labels } from './job-manifest.ts';
import type { JobOwner } from './job-owner.ts';
import { readProgress, type JobProgress } from './job-progress.ts';
import type { Job, Pod } from './kubernetes-types.ts';

/** Is told of one Job. */
export interface JobWatcher {
  readonly onProgress: (progress: JobProgress) => void;
  /** Called when the cluster could not be asked for a long time, or does not let us; the Job is not watched after it. */
  readonly onError: (error: unknown) => void;
}

/** The time for which the API server may be away, such as for an update of the cluster, before the Jobs that run are given up. */
export const outageLimitMs = 300_000;
/** The label by which the cluster marks a Job's pods. */
const jobLabel = 'job-name';

/**
 * Asks again and again for the states of all Jobs of an owner, with two lists however many there are. A list says what a watch would, without a
 * stream that is cut, expires and is begun anew; what happens between two lists is in the second.
 */
export class JobWatch {
  readonly #objects: ClusterObjects;
  readonly #owner: JobOwner;
  readonly #container: string;
  readonly #pollMs: number;
  readonly #clock: Clock;
  readonly #watchers = new Map<string, JobWatcher>();
  /** Ends the wait of the loop when nothing is left to watch. */
  #idle = new AbortController();

  constructor(objects: ClusterObjects, owner: JobOwner, container: string, pollMs: number, clock: Clock) {
    this.#objects = objects;
    this.#owner = owner;
    this.#container = container;
    this.#pollMs = pollMs;
    this.#clock = clock;
  }

  /** Watches a Job that was created, until the returned function is called. */
  watch(name: string, watcher: JobWatcher): () => void {
    this.#watchers.set(name, watcher);
    if (this.#watchers.size === 1) {
      this.#idle = new AbortController();
      void this.#run(this.#idle.signal);
    }
    return () => {
      if (this.#watchers.delete(name) && this.#watchers.size === 0) this.#idle.abort();
    };
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#look(signal);
        await this.#owner.keep({ signal, patienceMs: outageLimitMs });
      } catch (error) {
        if (signal.aborted) return;
        for (const watcher of this.#watchers.values()) watcher.onError(error);
        this.#watchers.clear();
        return;
      }
      await this.#clock.wait(this.#pollMs, signal);
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    const watched = [...this.#watchers]; // those that exist before the lists are made
    const selector = { labelSelector: `${labels.owner}=${this.#owner.id}` };
    const options = { signal, patienceMs: outageLimitMs };
    // Pods after Jobs: the pod of a Job that has ended is in the second list.
    const jobs = await this.#objects.list<Job>('jobs', selector, options);
    const pods = await this.#objects.list<Pod>('pods', selector, options);
    const jobsByName = new Map(jobs.map((job) => [job.metadata.name, job]));
    const podsByJob = Map.groupBy(pods, ({ metadata }) => metadata.labels?.[jobLabel]);
    for (const [name, { onProgress }] of watched)
      if (this.#watchers.has(name))
        onProgress(readProgress(jobsByName.get(name), podsByJob.get(name) ?? [], this.#container));
  }
}
