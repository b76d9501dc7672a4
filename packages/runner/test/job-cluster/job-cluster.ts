import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { TLSSocket } from 'node:tls';
import type { Certificates } from './certificates.ts';
import { startPod, type PodProcess, type StoredPodSpec } from './node-agent.ts';
import { ObjectStore, type StoredMetadata, type StoredObject } from './object-store.ts';

/** One request as the rules of a Role see it. */
export interface SeenRequest {
  readonly verb: string;
  /** Such as `jobs` or `pods/log`. */
  readonly resource: string;
  readonly group: string;
  readonly user: string;
  readonly body: StoredObject | undefined;
  readonly query: URLSearchParams;
}

/** The part of a Job's specification that its controller reads. */
export interface StoredJobSpec {
  readonly [field: string]: unknown;
  readonly template: { readonly metadata?: Partial<StoredMetadata>; readonly spec: StoredPodSpec };
}

/** What is done to a request in place of answering it; `cut` answers, and cuts the answer off before its first byte. */
export type Fault =
  | 'cut'
  | { readonly status: number; readonly headers?: Record<string, string>; readonly message?: string };

/** What a container leaves that ran no program. */
interface PodEnd {
  readonly exitCode?: number;
  readonly log?: string;
  readonly reason?: string;
}

/** Says what becomes of a pod; the default is to run its container. */
export type Kubelet = (pod: StoredObject, cluster: JobCluster) => void;

const verbs: Readonly<Record<string, string>> = { POST: 'create', PATCH: 'patch', DELETE: 'delete' };

/**
 * A cluster of one namespace, "training", that has the routes of Jobs: an API server over TLS that keeps objects, a controller that makes a pod
 * of each Job and ends it by its pod, a node that runs the pod's container on this machine, and the deletion of what a deleted object owned.
 */
export class JobCluster {
  readonly requests: SeenRequest[] = [];
  readonly tokens = new Set<string>();
  /** Decides what becomes of a request before it is answered. */
  fault: (request: SeenRequest) => Fault | undefined = () => undefined;
  /** Says who may do what; everybody everything when undefined. */
  isAllowed: ((request: SeenRequest) => boolean) | undefined;
  kubelet: Kubelet = (pod) => this.run(pod);
  /** The number of objects after which a list has a next page. */
  pageSize = 500;
  readonly store: ObjectStore = new ObjectStore((kind, object) => this.#onDelete(kind, object));
  readonly #server: Server;
  readonly #processes = new Map<string, PodProcess>();
  readonly #logs = new Map<string, string>();
  readonly #waiting = new Set<() => void>();

  constructor({ authority, server }: Certificates) {
    const tls = { ...server, ca: authority, requestCert: true, rejectUnauthorized: false };
    this.#server = createServer(tls, (request, response) => void this.#answer(request, response));
  }

  get url(): string {
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async start(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const process of this.#processes.values()) process.end();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  /** Resolves when something of the cluster has changed so that `find` finds it. */
  async until<Found>(find: () => Found | undefined | false): Promise<Found> {
    for (;;) {
      const found = find();
      if (found !== undefined && found !== false) return found;
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  /** Tells whether a container has written this. */
  hasPrinted(text: string): boolean {
    return [...this.#processes.values()].some((process) => process.log().includes(text));
  }

  names(kind: string): readonly string[] {
    return this.store.list(kind).map(({ metadata }) => metadata.name);
  }

  /** Changes the status of a pod, as a node does. */
  setPod(name: string, status: object): void {
    this.store.merge('pods', name, { status });
    this.#changed();
  }

  /** Changes the conditions of a Job, as its controller does. */
  setJob(name: string, conditions: readonly object[]): void {
    this.store.merge('jobs', name, { status: { conditions } });
    this.#changed();
  }

  addEvent(event: object): void {
    this.store.add('events', { metadata: { name: `event-${this.store.list('events').length}` }, ...event });
  }

  /** Ends the container of a pod that ran no program, with what it is said to have left. */
  end(pod: StoredObject, { exitCode = 0, log = '{"reward":1}\n', reason = 'Completed' }: PodEnd = {}): void {
    this.#logs.set(pod.metadata.name, log);
    const { name } = (pod.spec as StoredPodSpec).containers[0]!;
    this.#onState(pod, name, { terminated: { exitCode, reason } });
  }

  /** Runs the container of a pod. */
  run(pod: StoredObject): void {
    const { name } = pod.metadata;
    const container = (pod.spec as StoredPodSpec).containers[0]!.name;
    const process = startPod(
      pod,
      (secret) => this.store.get('secrets', secret)!.data!,
      (state) => this.#onState(pod, container, state),
    );
    this.#processes.set(name, process);
  }

  #onState(pod: StoredObject, container: string, state: { terminated?: { exitCode: number; reason?: string } }): void {
    const phase = state.terminated === undefined ? 'Running' : state.terminated.exitCode === 0 ? 'Succeeded' : 'Failed';
    this.setPod(pod.metadata.name, { phase, containerStatuses: [{ name: container, state }] });
    if (phase === 'Running') return;
    const end = phase === 'Succeeded' ? { type: 'Complete' } : { type: 'Failed', reason: 'BackoffLimitExceeded' };
    this.setJob(pod.metadata.labels!['job-name']!, [{ ...end, status: 'True' }]);
  }

  #onDelete(kind: string, { metadata }: StoredObject): void {
    if (kind === 'pods') this.#processes.get(metadata.name)?.end();
    this.#changed();
  }

  #changed(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const go of waiting) go();
  }

  /** Makes the pod of a new Job, as the controller does. */
  #onJob(job: StoredObject): void {
    const { name, uid } = job.metadata;
    const { metadata, spec } = (job.spec as StoredJobSpec).template;
    const labels = { ...metadata?.labels, 'job-name': name };
    const pod = {
      metadata: { name: `${name}-x7k2p`, labels, ownerReferences: [{ uid }] },
      spec,
      status: { phase: 'Pending' },
    };
    this.kubelet(this.store.add('pods', pod)!, this);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url!, 'https://cluster');
    const path = /^\/(?:api|apis\/([^/]+))\/v1\/namespaces\/([^/]+)\/([a-z]+)(?:\/([^/]+))?(?:\/(log))?$/.exec(
      url.pathname,
    );
    const body = await text(request);
    const [, group = '', namespace, kind = '', name, part] = path ?? [];
    const user = this.#userOf(request);
    const refuse = (status: number, reason: string, message: string, headers = {}): void => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers });
      response.end(JSON.stringify({ kind: 'Status', status: 'Failure', code: status, reason, message }));
    };
    if (user === undefined) return refuse(401, 'Unauthorized', 'Unauthorized');
    const verb = verbs[request.method!] ?? (name === undefined ? 'list' : 'get');
    const resource = part === undefined ? kind : `${kind}/${part}`;
    const seen = {
      verb,
      resource,
      group,
      user,
      body: body === '' ? undefined : (JSON.parse(body) as StoredObject),
      query: url.searchParams,
    };
    this.requests.push(seen);
    const fault = this.fault(seen);
    if (typeof fault === 'object') return refuse(fault.status, 'Fault', fault.message ?? 'told to fail', fault.headers);
    if (this.isAllowed?.(seen) === false)
      return refuse(
        403,
        'Forbidden',
        `${resource} is forbidden: User "${user}" cannot ${verb} resource "${resource}" in API group "${group}" in the namespace "${namespace}"`,
      );
    if (namespace !== 'training') return refuse(404, 'NotFound', `namespaces "${namespace}" not found`);
    if (part === 'log') return this.#answerLog(name!, response, refuse);
    const [status, answer] = this.#carryOut(seen, kind, name);
    if (fault === 'cut') return void request.socket.destroy();
    if (typeof answer === 'string')
      return refuse(status, answer, `${kind} "${name ?? seen.body?.metadata?.name}": ${answer}`);
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer));
    this.#changed();
  }

  /** Does what a request asks for; returns the status and the answer, or the reason of a refusal. */
  #carryOut(
    { verb, body, query }: SeenRequest,
    kind: string,
    name: string | undefined,
  ): readonly [number, object | string] {
    if (verb === 'list') return this.#list(kind, query);
    if (verb === 'create') {
      if (body!.metadata.resourceVersion !== undefined) return [400, 'BadRequest'];
      const created = this.store.add(kind, body!);
      if (created === undefined) return [409, 'AlreadyExists'];
      if (kind === 'jobs') this.#onJob(created);
      return [201, created];
    }
    const found =
      verb === 'patch'
        ? this.store.merge(kind, name!, body)
        : verb === 'delete'
          ? this.store.remove(kind, name!)
          : this.store.get(kind, name!);
    return found === undefined ? [404, 'NotFound'] : [200, found];
  }

  #list(kind: string, query: URLSearchParams): readonly [number, object] {
    const all = this.store.list(kind, query.get('labelSelector') ?? '', query.get('fieldSelector') ?? '');
    const begin = Number(query.get('continue') ?? 0);
    const items = all.slice(begin, begin + this.pageSize);
    const isMore = begin + items.length < all.length;
    return [200, { kind: 'List', items, metadata: isMore ? { continue: String(begin + items.length) } : {} }];
  }

  #answerLog(
    name: string,
    response: ServerResponse,
    refuse: (status: number, reason: string, message: string) => void,
  ): void {
    const log = this.#processes.get(name)?.log() ?? this.#logs.get(name);
    if (this.store.get('pods', name) === undefined || log === undefined)
      return refuse(404, 'NotFound', `pods "${name}" not found`);
    response.writeHead(200, { 'content-type': 'text/plain' });
    response.end(log);
  }

  #userOf(request: IncomingMessage): string | undefined {
    const socket = request.socket as TLSSocket;
    if (socket.authorized) return String(socket.getPeerCertificate().subject.CN);
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
    return token !== undefined && this.tokens.has(token) ? `token ${token}` : undefined;
  }
}
