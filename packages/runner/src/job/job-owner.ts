import { randomBytes } from 'node:crypto';
import { unlessAborted, type Clock } from '@agent-lightning/platform';
import { isOrphan, isSpaceUnique, ownedName, thisOwner } from '../process-owner.ts';
import type { AskOptions } from './cluster/cluster-client.ts';
import type { ClusterObjects } from './cluster-objects.ts';
import { labels } from './job-manifest.ts';
import type { ObjectMeta } from './kubernetes-types.ts';

interface Lease {
  readonly apiVersion: 'coordination.k8s.io/v1';
  readonly kind: 'Lease';
  readonly metadata: ObjectMeta;
  readonly spec: { readonly holderIdentity: string; readonly leaseDurationSeconds: number; readonly renewTime: string };
}

interface BegunLease {
  readonly made: Promise<Lease>;
  /** Ends the tries to make it when nobody holds it any more. */
  readonly retries: AbortController;
}

/** The time between two renewals of a lease; the loop that renews it looks at least as often. */
export const renewalMs = 20_000;
/** A lease that was not renewed for this long is of a process that is gone. */
const leaseMs = 120_000;
/** After a time without an answer of the API server that is longer than this, others may not have been able to renew their leases either. */
const longestSilenceMs = 30_000;

/**
 * Holds a Lease in the cluster while Jobs of this process run. The Jobs belong to it, so that the cluster deletes them, with their pods and
 * Secrets, when it is deleted; and whoever starts next deletes the Leases of processes that are gone.
 */
export class JobOwner {
  /** The value of the label of everything that this owner creates. */
  readonly id: string = randomBytes(8).toString('hex');
  readonly #objects: ClusterObjects;
  readonly #clock: Clock;
  readonly #process = thisOwner();
  /** True when process ids of leases can be looked up: no other machine is taken for this one. */
  readonly #knowsProcesses: boolean;
  /** Leases of others, as they were when they were seen changed for the last time. */
  readonly #seen = new Map<string, { readonly version: string; readonly sinceMs: number }>();
  #holders = 0;
  #lease: BegunLease | undefined;
  #renewedMs = 0;
  #sweptMs = -Infinity;
  #answeredMs = -Infinity;

  constructor(objects: ClusterObjects, clock: Clock, knowsProcesses: boolean = isSpaceUnique()) {
    this.#objects = objects;
    this.#clock = clock;
    this.#knowsProcesses = knowsProcesses;
  }

  /** Returns the reference with which an object belongs to this process; every call is followed by one of `release`. */
  async hold(signal: AbortSignal): Promise<object> {
    this.#holders++;
    try {
      this.#lease ??= this.#begin();
      const { apiVersion, kind, metadata } = await unlessAborted(this.#lease.made, signal);
      return { apiVersion, kind, name: metadata.name, uid: metadata.uid };
    } catch (error) {
      // A Lease that is being made is deleted when it is there, and nobody waits for that.
      void this.release().catch(() => undefined);
      throw error;
    }
  }

  /** Ends what `hold` began; the last one deletes the Lease, and with it whatever could not be deleted before. */
  async release(): Promise<void> {
    if (--this.#holders > 0) return;
    const lease = this.#lease;
    this.#lease = undefined;
    lease?.retries.abort();
    const { metadata } = (await lease?.made.catch(() => undefined)) ?? {};
    if (metadata !== undefined)
      await this.#objects.remove('leases', metadata.name!, { signal: never(), patienceMs: 10_000 });
  }

  /** Renews the Lease and looks for those of processes that are gone, when it is time to. It is called whenever the API server has answered. Errors are those of the renewal, as of `ClusterClient.ask`. */
  async keep(options: AskOptions): Promise<void> {
    this.#onAnswer();
    const held = this.#lease;
    // One that could not be made is the error of those who wait for it.
    const lease = await held?.made.catch(() => undefined);
    const now = this.#clock.now();
    if (lease === undefined) return;
    if (now - this.#renewedMs >= renewalMs) {
      this.#renewedMs = now;
      const isThere = await this.#objects.change(
        'leases',
        lease.metadata.name!,
        { spec: { renewTime: microTime() } },
        options,
      );
      this.#onAnswer();
      // Someone took this process for gone. Its Jobs are being deleted; the next one gets a new Lease.
      if (!isThere && this.#lease === held) this.#lease = undefined;
    }
    // What others have left can wait: a look that fails costs no rollout, and is tried once until the next is due.
    if (now - this.#sweptMs >= leaseMs) await this.#sweep({ ...options, patienceMs: 0 }).catch(() => undefined);
  }

  #begin(): BegunLease {
    const retries = new AbortController();
    const begun = { made: this.#make(retries.signal), retries };
    begun.made.catch(() => {
      if (this.#lease === begun) this.#lease = undefined;
    });
    return begun;
  }

  async #make(retriesUntil: AbortSignal): Promise<Lease> {
    // It serves all rollouts of this process, so the end of one does not end it.
    const options = { signal: never(), retriesUntil };
    await this.#sweep(options);
    const lease = await this.#createLease(options);
    this.#renewedMs = this.#clock.now();
    return lease;
  }

  async #createLease(options: AskOptions): Promise<Lease> {
    const name = `agent-lightning-${randomBytes(8).toString('hex')}`;
    const spec = {
      holderIdentity: ownedName(this.#process),
      leaseDurationSeconds: leaseMs / 1_000,
      renewTime: microTime(),
    };
    const metadata = { name, namespace: this.#objects.namespace, labels: { [labels.lease]: this.id } };
    const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec } as const;
    const uid = await this.#objects.createAndFind('leases', lease, options);
    return { ...lease, metadata: { ...metadata, uid } };
  }

  /** Deletes the Leases of processes that are gone: those that this machine knows to be, and those that were not renewed while we looked. */
  async #sweep(options: AskOptions): Promise<void> {
    this.#sweptMs = this.#clock.now();
    const leases = await this.#objects.list<Lease>('leases', { labelSelector: labels.lease }, options);
    this.#onAnswer();
    const listed = new Set(leases.map(({ metadata }) => metadata.uid));
    for (const uid of this.#seen.keys()) if (!listed.has(uid)) this.#seen.delete(uid);
    const gone = leases.filter((lease) => this.#isGone(lease));
    await Promise.all(gone.map(({ metadata }) => this.#objects.remove('leases', metadata.name!, options)));
  }

  /** Takes in that the API server has just answered. What was seen before a long silence says nothing of who renews, for nobody could. */
  #onAnswer(): void {
    const now = this.#clock.now();
    if (now - this.#answeredMs > longestSilenceMs) this.#seen.clear();
    this.#answeredMs = now;
  }

  #isGone({ metadata, spec }: Lease): boolean {
    if (metadata.labels?.[labels.lease] === this.id) return false;
    if (this.#knowsProcesses && isOrphan(spec.holderIdentity, this.#process.space)) return true;
    const uid = metadata.uid!;
    const version = metadata.resourceVersion!;
    const seen = this.#seen.get(uid);
    // Clocks of machines differ, so the time is ours: since we saw it renewed.
    if (seen?.version !== version) this.#seen.set(uid, { version, sinceMs: this.#clock.now() });
    return seen?.version === version && this.#clock.now() - seen.sinceMs >= leaseMs;
  }
}

/** Returns now as the API writes times of leases: with microseconds. */
function microTime(): string {
  return new Date().toISOString().replace('Z', '000Z');
}

/** Returns a signal that does not abort. */
function never(): AbortSignal {
  return new AbortController().signal;
}
