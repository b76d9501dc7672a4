import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock, type Clock } from '@agent-lightning/platform';
import { MemoryStore } from '@agent-lightning/store';
import { Runner, type RolloutFunction, type RunJobOptions } from '../src/index.ts';
import { ClusterClient } from '../src/job/cluster/cluster-client.ts';
import { findCluster } from '../src/job/cluster/find-cluster.ts';
import { ClusterObjects } from '../src/job/cluster-objects.ts';
import { resolveJobOptions } from '../src/job/job-options.ts';
import { JobOwner } from '../src/job/job-owner.ts';
import { createJobFunction } from '../src/job/run-job.ts';
import { isSpaceUnique, ownedName, thisOwner } from '../src/process-owner.ts';
import { holdTimers } from '../../gateway/test/held-timers.ts';
import { runOne, type CommandRun } from './command-run.ts';
import { makeCertificates, type Certificates } from './job-cluster/certificates.ts';
import { readDocumentedRights, rightOf } from './job-cluster/documented-role.ts';
import { JobCluster } from './job-cluster/job-cluster.ts';

let folder: string;
let certificates: Certificates;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'job-owner-'));
  certificates = makeCertificates(folder);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Starts a cluster that knows one token and ends every pod well, or as the test says. */
async function startCluster(): Promise<JobCluster> {
  const cluster = await new JobCluster(certificates).start();
  cluster.tokens.add('t');
  cluster.kubelet = (pod) => cluster.end(pod);
  const rights = readDocumentedRights();
  cluster.isAllowed = (request) => rights.has(rightOf(request));
  return cluster;
}

/** Returns the function that runs Jobs of a cluster, with a clock of the test. */
async function createFunction(
  cluster: JobCluster,
  clock: Clock = systemClock,
  options: Partial<RunJobOptions> = {},
): Promise<RolloutFunction> {
  const kubeconfig = await writeKubeconfig(cluster);
  const containers = [{ name: 'agent', image: 'my-agent:1' }];
  const spec = { template: { spec: { hostNetwork: true, containers } } };
  const template = { apiVersion: 'batch/v1', kind: 'Job', spec };
  return createJobFunction(resolveJobOptions({ template, kubeconfig, pollMs: 5, ...options }), clock);
}

async function writeKubeconfig(cluster: JobCluster): Promise<string> {
  const kubeconfig = join(folder, `kube-${new URL(cluster.url).port}`);
  const ca = { 'certificate-authority-data': Buffer.from(certificates.authority).toString('base64') };
  const config = {
    'current-context': 'c',
    contexts: [{ name: 'c', context: { cluster: 'c', user: 'c', namespace: 'training' } }],
    clusters: [{ name: 'c', cluster: { server: cluster.url, ...ca } }],
    users: [{ name: 'c', user: { token: 't' } }],
  };
  await writeFile(kubeconfig, JSON.stringify(config));
  return kubeconfig;
}

async function run(cluster: JobCluster): Promise<CommandRun> {
  const result = await runOne(await createFunction(cluster), null, {});
  expect(result.rollout.failure).toBeUndefined();
  return result;
}

/** Leaves in the cluster what a process would that was killed: its Lease, with a Job, its Secret and its pod. */
function leave(cluster: JobCluster, name: string, holderIdentity: string): void {
  const labels = { 'agent-lightning.lease': name };
  const held = { metadata: { name, labels }, spec: { holderIdentity } };
  const lease = cluster.store.add('leases', held)!;
  const of = (uid: string): object => ({ ownerReferences: [{ uid }] });
  const job = cluster.store.add('jobs', { metadata: { name, ...of(lease.metadata.uid) } })!;
  for (const kind of ['secrets', 'pods']) cluster.store.add(kind, { metadata: { name, ...of(job.metadata.uid) } });
}

/** Lists everything of a cluster by kind and name. */
const everything = (cluster: JobCluster): readonly string[] =>
  ['leases', 'jobs', 'secrets', 'pods'].flatMap((kind) => cluster.names(kind).map((name) => `${kind}/${name}`));
const all = (name: string): readonly string[] => ['leases', 'jobs', 'secrets', 'pods'].map((kind) => `${kind}/${name}`);

const elsewhere = { space: 'f'.repeat(12), pid: 7, startedAt: '1' };

describe('what a process leaves that is gone', () => {
  it('is deleted at the start of the next one of its machine, and that of living and of other machines is not', async () => {
    await using cluster = await startCluster();
    leave(cluster, 'gone', ownedName({ ...thisOwner(), pid: 2 ** 30 }));
    leave(cluster, 'living', ownedName(thisOwner()));
    leave(cluster, 'elsewhere', ownedName(elsewhere));
    leave(cluster, 'of-another-program', 'someone');
    await run(cluster);
    expect(everything(cluster).toSorted()).toEqual(
      [...all('living'), ...all('elsewhere'), ...all('of-another-program')].toSorted(),
    );
  });

  it('on another machine is deleted when its Lease was not renewed for two minutes of ours, and not while it is', async () => {
    await using cluster = await startCluster();
    leave(cluster, 'gone', ownedName(elsewhere));
    leave(cluster, 'living', ownedName(elsewhere));
    const clock = { now: (): number => nowMs, wait: systemClock.wait };
    let nowMs = 0;
    cluster.kubelet = () => undefined;
    const running = runOne(await createFunction(cluster, clock), null, {});
    await cluster.until(() => cluster.names('pods').length === 3);
    const renewals = (): number =>
      cluster.requests.filter(({ verb, resource }) => verb === 'patch' && resource === 'leases').length;
    for (nowMs = 20_000; nowMs < 120_000; nowMs += 20_000) {
      const before = renewals();
      await cluster.until(() => renewals() > before);
    }
    cluster.store.merge('leases', 'living', { spec: { renewTime: 'later' } });
    expect(everything(cluster)).toEqual(expect.arrayContaining([...all('gone')]));
    nowMs = 130_000;
    await cluster.until(() => !cluster.names('leases').includes('gone'));
    cluster.end(cluster.store.list('pods').find(({ metadata }) => metadata.labels !== undefined)!);
    expect((await running).rollout.status).toBe('succeeded');
    expect(everything(cluster)).toEqual(all('living'));
  });

  it('is known by its process only where no other machine is taken for this one', async () => {
    await using cluster = await startCluster();
    const access = await findCluster({ kubeconfig: await writeKubeconfig(cluster), context: undefined });
    const objects = new ClusterObjects(new ClusterClient(access), 'training');
    leave(cluster, 'of-a-namesake', ownedName({ ...thisOwner(), pid: 2 ** 30 }));
    for (const knowsProcesses of [false, true]) {
      const owner = new JobOwner(objects, systemClock, knowsProcesses);
      await owner.hold(new AbortController().signal);
      await owner.release();
      expect(everything(cluster)).toEqual(knowsProcesses ? [] : all('of-a-namesake'));
    }
    expect(isSpaceUnique()).toBe(process.platform === 'linux');
  });

  it('on another machine is not taken for gone after a time in which nobody could renew a Lease', async () => {
    await using cluster = await startCluster();
    leave(cluster, 'living', ownedName(elsewhere));
    let nowMs = 0;
    const clock = { now: (): number => nowMs, wait: systemClock.wait };
    cluster.kubelet = () => undefined;
    const running = runOne(await createFunction(cluster, clock), null, {});
    const asked = (verb: string, resource: string): number =>
      cluster.requests.filter((request) => request.verb === verb && request.resource === resource).length;
    await cluster.until(() => asked('list', 'pods') > 0);
    const pod = cluster.store.list('pods').find(({ metadata }) => metadata.labels !== undefined)!;
    const sweeps = asked('list', 'leases');
    // The API server is away for more than two minutes.
    let faults = 2;
    cluster.fault = () => {
      if (faults === 0) return undefined;
      nowMs = 100_000 * (3 - faults--);
      return { status: 503 };
    };
    await cluster.until(() => asked('list', 'leases') > sweeps);
    const looks = asked('list', 'jobs');
    await cluster.until(() => asked('list', 'jobs') > looks);
    expect(everything(cluster)).toEqual(expect.arrayContaining([...all('living')]));
    cluster.end(pod);
    expect((await running).rollout.status).toBe('succeeded');
  });

  it('of an earlier attempt is deleted when the rollout is tried again', async () => {
    await using cluster = await startCluster();
    const store = new MemoryStore();
    const [queued] = await store.enqueue([{ input: null, retry: { maxAttempts: 2, backoffMs: 0 } }]);
    cluster.kubelet = (pod) => {
      const attempt = pod.metadata.labels!['agent-lightning.attempt'];
      if (cluster.requests.filter(({ verb, resource }) => verb === 'create' && resource === 'jobs').length > 1)
        return cluster.end(pod);
      // Left by the first attempt, as a trainer that was cut off leaves it.
      const labels = { 'agent-lightning.rollout': queued!.rolloutId, 'agent-lightning.attempt': attempt! };
      cluster.store.add('jobs', { metadata: { name: 'left', labels } });
      cluster.end(pod, { exitCode: 1 });
    };
    const gateway = { openAttempt: async () => ({ ...llm }), closeAttempt: async () => undefined };
    const runner = new Runner({ store, rollout: await createFunction(cluster), gateway });
    const running = runner.run();
    const [ended] = await store.waitFor([queued!.rolloutId]);
    await runner.stop();
    await running;
    await store.close();
    expect(ended!.status).toBe('succeeded');
    expect(everything(cluster)).toEqual([]);
  });
});

const llm = { baseUrl: 'http://127.0.0.1:9/v1', apiKey: 'al-canary', model: 'policy', sampling: {} };

describe('the Role of the documents', () => {
  it('has the rights that are used, and no other', async () => {
    await using cluster = await startCluster();
    const startTimeoutMs = 54_321;
    using time = holdTimers(startTimeoutMs);
    let nowMs = 0;
    const clock = { now: (): number => nowMs, wait: systemClock.wait };
    const rollout = await createFunction(cluster, clock, { startTimeoutMs });
    cluster.kubelet = (pod) => void cluster.store.remove('pods', pod.metadata.name);
    const running = runOne(rollout, null, {});
    await cluster.until(() => time.count > 0 && cluster.names('jobs').length > 0);
    nowMs = 30_000;
    await cluster.until(() => cluster.requests.some((request) => rightOf(request).endsWith('leases: patch')));
    time.end();
    expect((await running).rollout.failure?.message).toContain('the cluster has not said why');
    cluster.kubelet = (pod) => cluster.end(pod);
    expect((await runOne(rollout, null, {})).rollout.status).toBe('succeeded');
    // A Secret is deleted by itself only when its Job could not be created.
    cluster.fault = ({ verb, resource }) => (verb === 'create' && resource === 'jobs' ? { status: 422 } : undefined);
    expect((await runOne(rollout, null, {})).rollout.failure?.message).toContain('with 422');
    expect(new Set(cluster.requests.map(rightOf))).toEqual(readDocumentedRights());
    expect(everything(cluster)).toEqual([]);
  });
});

describe('an API server that is away for less than five minutes', () => {
  it.each([
    ['renewing the Lease', 'patch', 'leases'],
    ['reading the log of what has ended', 'get', 'pods/log'],
  ])('costs no rollout, while %s', async (_, verb, resource) => {
    await using cluster = await startCluster();
    let nowMs = 0;
    const clock = { now: (): number => nowMs, wait: systemClock.wait };
    cluster.kubelet = () => undefined;
    const running = runOne(await createFunction(cluster, clock), null, {});
    const asked = (of: string): number => cluster.requests.filter(({ resource: each }) => each === of).length;
    await cluster.until(() => asked('pods') > 0);
    let faults = 0;
    cluster.fault = (request) => {
      if (request.verb !== verb || request.resource !== resource || faults === 2) return undefined;
      nowMs += 140_000 * faults++; // the time of an outage is from its first failure
      return { status: 503 };
    };
    nowMs = 20_000;
    await cluster.until(() => asked('leases') > 2); // created after the first sweep, then renewed
    cluster.end(cluster.store.list('pods')[0]!);
    expect((await running).rollout.failure).toBeUndefined();
    expect(faults).toBe(2);
  });

  it('or that refuses to show the Leases of others costs no rollout', async () => {
    await using cluster = await startCluster();
    leave(cluster, 'gone', ownedName(elsewhere));
    let nowMs = 0;
    const clock = { now: (): number => nowMs, wait: systemClock.wait };
    cluster.kubelet = () => undefined;
    const running = runOne(await createFunction(cluster, clock), null, {});
    await cluster.until(() => cluster.requests.some(({ resource }) => resource === 'pods'));
    let refused = 0;
    cluster.fault = ({ verb, resource }) =>
      verb === 'list' && resource === 'leases' && ++refused ? { status: 500 } : undefined;
    nowMs = 125_000;
    const looks = (): number => cluster.requests.filter(({ resource }) => resource === 'pods').length;
    await cluster.until(() => refused > 0);
    const before = looks();
    await cluster.until(() => looks() > before);
    for (const pod of cluster.store.list('pods')) if (pod.metadata.labels !== undefined) cluster.end(pod);
    expect((await running).rollout.failure).toBeUndefined();
    expect(refused).toBe(1);
  });
});

describe('the Lease of a process', () => {
  it('is one for all Jobs that run, and goes with the last, so that nothing is left that could not be deleted', async () => {
    await using cluster = await startCluster();
    const rollout = await createFunction(cluster);
    cluster.kubelet = () => undefined;
    cluster.fault = ({ verb, resource }) => (verb === 'delete' && resource === 'jobs' ? { status: 403 } : undefined);
    const running = [1, 2, 3].map(() => runOne(rollout, null, {}));
    await cluster.until(() => cluster.names('pods').length === 3);
    expect(cluster.names('leases')).toHaveLength(1);
    for (const pod of cluster.store.list('pods')) cluster.end(pod);
    for (const { rollout: ended } of await Promise.all(running)) expect(ended.status).toBe('succeeded');
    expect(everything(cluster)).toEqual([]);
  });

  it('goes last, so that a Job is deleted whose Secret cannot be', async () => {
    await using cluster = await startCluster();
    cluster.fault = ({ verb, resource }) => (verb !== 'create' && resource === 'secrets' ? { status: 422 } : undefined);
    const { rollout } = await runOne(await createFunction(cluster), null, {});
    expect(rollout.failure?.message).toContain('with 422');
    const deleted = cluster.requests.filter(({ verb }) => verb === 'delete').map(({ resource }) => resource);
    expect(new Set(deleted)).toEqual(new Set(['jobs', 'secrets', 'leases']));
    expect(everything(cluster)).toEqual([]);
  });

  it('that is lost is named by the Job that went with it, and made anew for the next', async () => {
    await using cluster = await startCluster();
    let nowMs = 0;
    const clock = { now: (): number => nowMs, wait: systemClock.wait };
    cluster.kubelet = () => undefined;
    const rollout = await createFunction(cluster, clock);
    const first = [1, 2].map(() => runOne(rollout, null, {}));
    await cluster.until(
      () => cluster.requests.some(({ resource }) => resource === 'pods') && cluster.names('jobs').length === 2,
    );
    const [kept] = cluster.names('jobs');
    cluster.store.merge('jobs', kept!, { metadata: { ownerReferences: null } });
    cluster.store.remove('leases', cluster.names('leases')[0]!);
    const lost = await Promise.race(first);
    expect(lost.rollout.failure?.message).toContain('or this process did not renew its Lease for two minutes');
    nowMs = 20_000;
    await cluster.until(() => cluster.requests.some(({ verb, resource }) => verb === 'patch' && resource === 'leases'));
    const looks = (): number => cluster.requests.filter(({ resource }) => resource === 'pods').length;
    const before = looks();
    await cluster.until(() => looks() > before);
    const next = runOne(rollout, null, {});
    await cluster.until(() => cluster.names('pods').length === 2);
    expect(cluster.names('leases')).toHaveLength(1);
    for (const pod of cluster.store.list('pods')) cluster.end(pod);
    expect((await next).rollout.failure).toBeUndefined();
    const ended = (await Promise.all(first)).map(({ rollout: { status } }) => status);
    expect(ended.toSorted()).toEqual(['failed', 'succeeded']);
    expect(everything(cluster)).toEqual([]);
  });

  /** A clock that never ends a wait by itself, and tells when one begins. */
  function createStandingClock(): { readonly clock: Clock; readonly waited: Promise<void> } {
    const waited = Promise.withResolvers<void>();
    const wait: Clock['wait'] = (_, signal) => {
      waited.resolve();
      return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    };
    return { clock: { now: () => 0, wait }, waited: waited.promise };
  }

  it('is not waited for by an attempt that is ended', async () => {
    await using cluster = await startCluster();
    const { clock, waited } = createStandingClock();
    const access = await findCluster({ kubeconfig: await writeKubeconfig(cluster), context: undefined });
    const owner = new JobOwner(new ClusterObjects(new ClusterClient(access, clock), 'training'), clock);
    cluster.fault = ({ verb }) => (verb === 'create' ? { status: 503 } : undefined);
    const abort = new AbortController();
    const held = owner.hold(abort.signal);
    await waited;
    abort.abort(new RangeError('enough'));
    await expect(held).rejects.toThrow('enough');
    cluster.fault = () => undefined;
    await owner.hold(new AbortController().signal);
    expect(cluster.names('leases')).toHaveLength(1);
    await owner.release();
    expect(everything(cluster)).toEqual([]);
  });

  it('goes when an attempt is ended whose Secret could not be made yet', async () => {
    await using cluster = await startCluster();
    const attemptTimeoutMs = 54_321;
    using time = holdTimers(attemptTimeoutMs);
    const { clock, waited } = createStandingClock();
    cluster.fault = ({ verb, resource }) => (verb === 'create' && resource === 'secrets' ? { status: 503 } : undefined);
    const running = runOne(await createFunction(cluster, clock), null, { attemptTimeoutMs });
    await waited;
    time.end();
    expect((await running).rollout.failure).toMatchObject({ code: 'timed-out' });
    await cluster.until(() => everything(cluster).length === 0);
  });
});
