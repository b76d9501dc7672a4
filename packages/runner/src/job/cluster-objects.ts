import type { AskOptions, ClusterClient } from './cluster/cluster-client.ts';
import type { ObjectList, ObjectMeta } from './kubernetes-types.ts';

/** The kinds of objects that are asked for, and where the API has them. */
const groups = {
  jobs: '/apis/batch/v1',
  leases: '/apis/coordination.k8s.io/v1',
  pods: '/api/v1',
  secrets: '/api/v1',
  events: '/api/v1',
} as const;

export type ObjectKind = keyof typeof groups;

interface ClusterObject {
  readonly metadata: ObjectMeta;
}

/** The most objects of one page of a list. */
const pageSize = '500';
/** The number of times that a list begins anew, because its next page was no longer to be had. */
const mostBeginnings = 5;

/** Creates, lists, changes and deletes objects in one namespace. Errors are those of `ClusterClient.ask`. */
export class ClusterObjects {
  readonly namespace: string;
  readonly #client: ClusterClient;

  constructor(client: ClusterClient, namespace: string) {
    this.#client = client;
    this.namespace = namespace;
  }

  /**
   * Creates an object and returns it as the cluster has it; undefined when one of its name is there. As our names end in random digits, that is
   * this one, created by a try whose answer was lost.
   */
  async create<Created extends ClusterObject>(
    kind: ObjectKind,
    object: Created,
    options: AskOptions,
  ): Promise<Created | undefined> {
    const request = { method: 'POST', path: this.#path(kind), body: object } as const;
    const { status, body } = await this.#client.ask<Created>(request, { ...options, allowed: [409] });
    return status === 409 ? undefined : body;
  }

  /** Creates an object and returns the id that the cluster gave it. */
  async createAndFind(kind: ObjectKind, object: ClusterObject, options: AskOptions): Promise<string> {
    const created = await this.create(kind, object, options);
    const fieldSelector = `metadata.name=${object.metadata.name}`;
    const [found] =
      created === undefined ? await this.list<ClusterObject>(kind, { fieldSelector }, options) : [created];
    return found?.metadata.uid ?? '';
  }

  /** Lists what a selector finds, page by page. A list whose next page has expired (410) begins anew. */
  async list<Item>(
    kind: ObjectKind,
    selector: { readonly labelSelector?: string; readonly fieldSelector?: string },
    options: AskOptions,
  ): Promise<readonly Item[]> {
    let found: Item[] = [];
    let next: string | undefined;
    for (let beginnings = 1; ;) {
      const query = { ...selector, limit: pageSize, ...(next !== undefined && { continue: next }) };
      const request = { method: 'GET', path: this.#path(kind), query } as const;
      const allowed = next !== undefined && beginnings < mostBeginnings ? [410] : [];
      const { status, body } = await this.#client.ask<ObjectList<Item>>(request, { ...options, allowed });
      if (status === 410) {
        beginnings++;
        [found, next] = [[], undefined];
        continue;
      }
      found.push(...body.items);
      next = body.metadata?.continue || undefined;
      if (next === undefined) return found;
    }
  }

  /** Merges a change into an object; returns false when it is gone. */
  async change(kind: ObjectKind, name: string, change: object, options: AskOptions): Promise<boolean> {
    const request = { method: 'PATCH', path: `${this.#path(kind)}/${name}`, body: change } as const;
    return (await this.#client.ask(request, { ...options, allowed: [404] })).status !== 404;
  }

  /** Deletes an object, and in the background what it owns; one that is gone is no error. */
  async remove(kind: ObjectKind, name: string, options: AskOptions): Promise<void> {
    const body = { apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy: 'Background' };
    const request = { method: 'DELETE', path: `${this.#path(kind)}/${name}`, body } as const;
    await this.#client.ask(request, { ...options, allowed: [404] });
  }

  /** Reads the log of a container from its beginning. A try that is cut off begins with `restart`. */
  async readLog(
    pod: string,
    container: string,
    into: { readonly restart: () => void; readonly write: (chunk: Buffer) => void },
    options: AskOptions,
  ): Promise<void> {
    const path = `${this.#path('pods')}/${pod}/log`;
    const request = { method: 'GET', path, query: { container }, onData: into.write, onStart: into.restart } as const;
    await this.#client.ask(request, options);
  }

  #path(kind: ObjectKind): string {
    return `${groups[kind]}/namespaces/${encodeURIComponent(this.namespace)}/${kind}`;
  }
}
