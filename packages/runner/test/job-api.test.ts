import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Clock } from '@agent-lightning/platform';
import { ClusterClient } from '../src/job/cluster/cluster-client.ts';
import { createPluginIdentify, type CredentialPlugin } from '../src/job/cluster/credential-plugin.ts';
import { findCluster, type ClusterPlaces } from '../src/job/cluster/find-cluster.ts';
import { ClusterObjects } from '../src/job/cluster-objects.ts';
import { makeCertificates, type Certificates } from './job-cluster/certificates.ts';
import { JobCluster } from './job-cluster/job-cluster.ts';

let folder: string;
let certificates: Certificates;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'job-api-'));
  certificates = makeCertificates(folder);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const signal = new AbortController().signal;
const startCluster = (): Promise<JobCluster> => new JobCluster(certificates).start();

/** A clock that passes while it is waited for, and tells how long. */
function createClock(): Clock & { readonly waits: number[] } {
  const waits: number[] = [];
  let now = 0;
  return {
    waits,
    now: () => now,
    wait: async (ms) => {
      now += ms;
      waits.push(ms);
    },
  };
}

/** Writes a kubeconfig with these parts, in a folder of its own, and returns its path. */
async function writeConfig(url: string, user: object, cluster: object = {}, name = 'here'): Promise<string> {
  const path = join(await mkdtemp(join(folder, 'kube-')), 'config');
  const ca = { 'certificate-authority-data': Buffer.from(certificates.authority).toString('base64') };
  const config = {
    'current-context': name,
    contexts: [{ name, context: { cluster: name, user: name, namespace: 'training' } }],
    clusters: [{ name, cluster: { server: url, ...ca, ...cluster } }],
    users: [{ name, user }],
  };
  await writeFile(path, JSON.stringify(config));
  return path;
}

/** Writes a kubeconfig with a program that runs this script, in which `n` says how often it was asked. */
async function writePlugin(
  url: string,
  script: string,
): Promise<{ path: string; plugin: CredentialPlugin; asked: () => Promise<number> }> {
  const plugin = { apiVersion: 'client.authentication.k8s.io/v1', command: './login' };
  const path = await writeConfig(url, { exec: plugin });
  const [counts, login] = [join(dirname(path), 'counts'), join(dirname(path), 'login')];
  const count = `const { appendFileSync, readFileSync } = require('node:fs');
    appendFileSync(${JSON.stringify(counts)}, 'x');
    const n = readFileSync(${JSON.stringify(counts)}, 'utf8').length;`;
  await writeFile(login, `#!${process.execPath}\n${count}\n${script}`);
  await chmod(login, 0o755);
  return { path, plugin, asked: async () => (await readFile(counts, 'utf8')).length };
}

/** Returns the objects of a cluster as the user of a kubeconfig sees them. */
async function connect(kubeconfig: string, clock = createClock(), context?: string): Promise<ClusterObjects> {
  const access = await findCluster({ kubeconfig, context });
  return new ClusterObjects(new ClusterClient(access, clock), access.namespace!);
}

describe('who asks the API server', () => {
  it('shows a client certificate of files beside the kubeconfig', async () => {
    await using cluster = await startCluster();
    const files = { 'client-certificate': 'client.crt', 'client-key': 'client.key' };
    const path = await writeConfig(cluster.url, files, {
      'certificate-authority-data': undefined,
      'certificate-authority': '../ca.crt',
    });
    const beside = join(path, '..');
    await writeFile(join(beside, 'client.crt'), certificates.client.cert);
    await writeFile(join(beside, 'client.key'), certificates.client.key);
    await (await connect(path)).list('jobs', {}, { signal });
    expect(cluster.requests.map(({ user }) => user)).toEqual(['trainer']);
  });

  it('shows the token of a file as it is now, and a new one when the old is refused', async () => {
    await using cluster = await startCluster();
    const path = await writeConfig(cluster.url, { tokenFile: 'token', token: 'of-old' });
    const objects = await connect(path);
    for (const token of ['first', 'second']) {
      await writeFile(join(path, '..', 'token'), `${token}\n`);
      cluster.tokens.clear();
      cluster.tokens.add(token);
      await objects.list('jobs', {}, { signal });
    }
    expect(cluster.requests.map(({ user }) => user)).toEqual(['token first', 'token second']);
  });

  it('asks a program once, and again when its token is refused or ends', async () => {
    await using cluster = await startCluster();
    const path = await writeConfig(cluster.url, {
      exec: {
        apiVersion: 'client.authentication.k8s.io/v1',
        command: './login',
        args: ['x'],
        env: [{ name: 'A', value: '1' }],
        provideClusterInfo: true,
      },
    });
    const counts = join(path, '..', 'counts');
    const script = `#!${process.execPath}
      const { spec } = JSON.parse(process.env.KUBERNETES_EXEC_INFO);
      const { appendFileSync, readFileSync } = require('node:fs');
      appendFileSync(${JSON.stringify(counts)}, 'x');
      const n = readFileSync(${JSON.stringify(counts)}, 'utf8').length;
      const isTold = process.argv[2] === 'x' && process.env.A === '1' && spec.interactive === false && spec.cluster.server;
      const status = { token: isTold ? 't' + n : 'untold', expirationTimestamp: n === 2 ? '2020-01-01T00:00:00Z' : undefined };
      console.log(JSON.stringify({ apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status }));`;
    await writeFile(join(path, '..', 'login'), script);
    await chmod(join(path, '..', 'login'), 0o755);
    const objects = await connect(path);
    cluster.tokens.add('t1');
    await Promise.all([1, 2].map(() => objects.list('jobs', {}, { signal })));
    cluster.tokens.delete('t1');
    cluster.tokens.add('t2').add('t3');
    for (let asked = 0; asked < 3; asked++) await objects.list('jobs', {}, { signal });
    // The second token had ended when it came, so it was used once.
    expect(cluster.requests.map(({ user }) => user)).toEqual(
      ['t1', 't1', 't2', 't3', 't3'].map((each) => `token ${each}`),
    );
  });

  it('asks a program once more when many requests are refused together, and not for tries after that', async () => {
    await using cluster = await startCluster();
    const { path, asked } = await writePlugin(
      cluster.url,
      `const status = { token: 't' + n };
       console.log(JSON.stringify({ apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status }));`,
    );
    const objects = await connect(path);
    cluster.tokens.add('t1');
    await objects.list('jobs', {}, { signal });
    cluster.tokens.clear();
    cluster.tokens.add('t2');
    const faults = Array.from({ length: 5 }, () => ({ status: 503 }));
    cluster.fault = () => faults.shift();
    await Promise.all(Array.from({ length: 20 }, () => objects.list('jobs', {}, { signal })));
    expect([faults, await asked()]).toEqual([[], 2]);
  });

  it.each([
    ['process.kill(process.pid, "SIGKILL")', 60_000, 'was ended by SIGKILL'],
    ['setInterval(() => undefined, 1_000)', 1, 'had no answer within 1 ms, and was ended'],
    ['process.exit(3)', 60_000, 'failed: exit code 3'],
  ])('says why a program has no answer: %s', async (script, limitMs, message) => {
    const { plugin, path } = await writePlugin('https://one:6443', script);
    const identify = createPluginIdentify(plugin, dirname(path), {}, 'the test', {}, limitMs);
    await expect(identify(undefined)).rejects.toMatchObject({
      code: 'command-unavailable',
      message: expect.stringContaining(message),
    });
  });

  it.each(['tokenFile', 'service account'])(
    'is an error at once when the token of a %s cannot be read',
    async (kind) => {
      await using cluster = await startCluster();
      const home = await mkdtemp(join(folder, 'home-'));
      const token = join(home, 'token');
      await writeFile(token, 't');
      const { hostname, port } = new URL(cluster.url);
      const env = { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port };
      const kubeconfig = kind === 'tokenFile' ? await writeConfig(cluster.url, { tokenFile: token }) : undefined;
      const access = await findCluster({ kubeconfig, context: undefined }, { env, home, serviceAccount: home });
      await rm(token);
      const clock = createClock();
      const objects = new ClusterObjects(new ClusterClient(access, clock), 'training');
      await expect(objects.list('jobs', {}, { signal })).rejects.toThrow(/token of the .* cannot be read \(ENOENT\)/);
      expect(clock.waits).toEqual([]);
    },
  );

  it('is the service account of the pod that it runs in, whose token is replaced', async () => {
    await using cluster = await startCluster();
    const home = await mkdtemp(join(folder, 'home-'));
    const serviceAccount = join(home, 'serviceaccount');
    await mkdir(serviceAccount);
    const { hostname, port } = new URL(cluster.url);
    const env = { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port };
    const places: ClusterPlaces = { env, home, serviceAccount };
    const none = { kubeconfig: undefined, context: undefined };
    await expect(findCluster(none, places)).rejects.toThrow(/no cluster was found: .*no pod with a service account/);
    await writeFile(join(serviceAccount, 'token'), 'first');
    await writeFile(join(serviceAccount, 'ca.crt'), certificates.authority);
    await writeFile(join(serviceAccount, 'namespace'), 'training');
    const access = await findCluster(none, places);
    expect(access.namespace).toBe('training');
    const objects = new ClusterObjects(new ClusterClient(access, createClock()), 'training');
    cluster.tokens.add('first').add('second');
    await objects.list('jobs', {}, { signal });
    await writeFile(join(serviceAccount, 'token'), 'second');
    await objects.list('jobs', {}, { signal });
    expect(cluster.requests.map(({ user }) => user)).toEqual(['token first', 'token second']);
    const kubeconfig = await writeConfig('https://other:6443', { token: 't' });
    expect((await findCluster(none, { ...places, env: { ...env, KUBECONFIG: kubeconfig } })).server.host).toBe(
      'other:6443',
    );
  });

  it('may be said by several files, of which the first counts', async () => {
    const first = await writeConfig('https://one:6443', { token: 't' }, {}, 'one');
    const second = await writeConfig('https://two:6443', { token: 't' }, {}, 'two');
    const places = { env: { KUBECONFIG: `${first}:/not/there:${second}` }, home: '/', serviceAccount: '/' };
    const hostOf = async (context?: string): Promise<string> =>
      (await findCluster({ kubeconfig: undefined, context }, places)).server.host;
    expect([await hostOf(), await hostOf('two')]).toEqual(['one:6443', 'two:6443']);
    await expect(hostOf('three')).rejects.toThrow(/context must be one that .* has: one, two; got "three"/);
  });

  it('is of no other cluster when the files of KUBECONFIG are not there', async () => {
    const home = await mkdtemp(join(folder, 'home-'));
    await mkdir(join(home, '.kube'));
    await copyFile(await writeConfig('https://wrong:6443', { token: 't' }), join(home, '.kube', 'config'));
    const none = { kubeconfig: undefined, context: undefined };
    const hostOf = async (KUBECONFIG: string): Promise<string> =>
      (await findCluster(none, { env: { KUBECONFIG }, home, serviceAccount: '/' })).server.host;
    await expect(hostOf('/not/there:/nor/there')).rejects.toMatchObject({
      code: 'option-invalid',
      message: expect.stringContaining('/not/there:/nor/there'),
    });
    expect(await hostOf('')).toBe('wrong:6443');
  });

  it.each([
    [{ username: 'me', password: 'canary' }, {}, '"username"'],
    [{ 'auth-provider': {} }, {}, '"auth-provider"'],
    [{ token: 't' }, { 'proxy-url': 'http://p' }, 'proxy-url'],
    [{ token: 't' }, { server: 'ftp://x' }, 'an http or https address'],
  ])('is refused by name where it would not be followed: %j', async (user, cluster, message) => {
    const path = await writeConfig('https://one:6443', user, cluster);
    await expect(findCluster({ kubeconfig: path, context: undefined })).rejects.toThrow(message);
  });
});

describe('a request to the API server', () => {
  it('is sent again after 429, when the server says, and after 5xx', async () => {
    await using cluster = await startCluster();
    cluster.tokens.add('t');
    const clock = createClock();
    const objects = await connect(await writeConfig(cluster.url, { token: 't' }), clock);
    const faults = [{ status: 429, headers: { 'retry-after': '7' } }, { status: 500 }, { status: 503 }];
    cluster.fault = () => faults.shift();
    await objects.list('jobs', {}, { signal });
    expect(clock.waits).toEqual([7_000, expect.toSatisfy((ms: number) => ms > 90 && ms <= 200), expect.any(Number)]);
    expect(cluster.requests).toHaveLength(4);
  });

  it('is given up after a minute of that, with what the server said', async () => {
    await using cluster = await startCluster();
    cluster.tokens.add('t');
    const clock = createClock();
    const objects = await connect(await writeConfig(cluster.url, { token: 't' }), clock);
    cluster.fault = () => ({ status: 503, message: 'etcd has no leader' });
    await expect(objects.list('jobs', {}, { signal })).rejects.toMatchObject({
      code: 'command-unavailable',
      retryable: true,
      message: expect.stringContaining('with 503: etcd has no leader'),
    });
    expect(clock.now()).toBeGreaterThanOrEqual(60_000);
  });

  it('is not sent again when it is refused, and says which right is missing', async () => {
    await using cluster = await startCluster();
    cluster.tokens.add('t');
    const clock = createClock();
    const objects = await connect(await writeConfig(cluster.url, { token: 't' }), clock);
    cluster.isAllowed = () => false;
    await expect(objects.list('jobs', {}, { signal })).rejects.toMatchObject({
      code: 'command-unavailable',
      retryable: false,
      message: expect.stringMatching(/cannot list resource "jobs" in API group "batch".*see the Role/),
    });
    cluster.tokens.clear();
    await expect(objects.list('jobs', {}, { signal })).rejects.toThrow(/with 401/);
    expect(clock.waits).toEqual([]);
  });

  it('is sent again when it is refused after its like was granted, as by a server that has just started', async () => {
    await using cluster = await startCluster();
    cluster.tokens.add('t');
    const clock = createClock();
    const objects = await connect(await writeConfig(cluster.url, { token: 't' }), clock);
    for (const name of ['a', 'b']) cluster.store.add('jobs', { metadata: { name } });
    await objects.remove('jobs', 'a', { signal });
    let refusals = 3;
    cluster.isAllowed = () => refusals-- <= 0;
    await objects.remove('jobs', 'b', { signal });
    expect([cluster.names('jobs'), clock.waits.length]).toEqual([[], 3]);
    cluster.isAllowed = () => false;
    await expect(objects.list('jobs', {}, { signal })).rejects.toMatchObject({ retryable: false });
    await expect(objects.remove('jobs', 'c', { signal })).rejects.toThrow(/with 403/);
    expect(clock.now()).toBeGreaterThan(60_000);
  });

  it('that was carried out and whose answer was lost creates nothing twice', async () => {
    await using cluster = await startCluster();
    cluster.tokens.add('t');
    const objects = await connect(await writeConfig(cluster.url, { token: 't' }));
    let cuts = 2;
    cluster.fault = ({ verb }) => (verb === 'create' && cuts-- > 0 ? 'cut' : undefined);
    const lease = { metadata: { name: 'one' } };
    const uid = await objects.createAndFind('leases', lease, { signal });
    expect(uid).toBe(cluster.store.get('leases', 'one')!.metadata.uid);
    expect(cluster.names('leases')).toEqual(['one']);
  });

  it('for a list goes on page by page, and begins anew when the next page has expired', async () => {
    await using cluster = await startCluster();
    cluster.tokens.add('t');
    cluster.pageSize = 2;
    for (const name of ['a', 'b', 'c', 'd', 'e']) cluster.store.add('leases', { metadata: { name } });
    const objects = await connect(await writeConfig(cluster.url, { token: 't' }));
    const expired = { status: 410, message: 'The provided continue parameter is too old' };
    let isExpired = true;
    cluster.fault = ({ query }) => {
      if (query.get('continue') !== '4' || !isExpired) return undefined;
      isExpired = false;
      return expired;
    };
    const found = await objects.list<{ metadata: { name: string } }>('leases', {}, { signal });
    expect(found.map(({ metadata }) => metadata.name)).toEqual(['a', 'b', 'c', 'd', 'e']);
    cluster.fault = ({ query }) => (query.has('continue') ? expired : undefined);
    await expect(objects.list('leases', {}, { signal })).rejects.toThrow(/with 410: The provided continue/);
  });

  it('names a namespace as it is given, whatever is in it', async () => {
    await using cluster = await startCluster();
    cluster.tokens.add('t');
    const access = await findCluster({
      kubeconfig: await writeConfig(cluster.url, { token: 't' }),
      context: undefined,
    });
    const objects = new ClusterObjects(new ClusterClient(access, createClock()), '../a?b');
    await expect(objects.list('jobs', {}, { signal })).rejects.toThrow('namespaces "..%2Fa%3Fb" not found');
  });

  it('is not sent to a server whose certificate is of another authority', async () => {
    await using cluster = await startCluster();
    const other = { 'certificate-authority-data': Buffer.from(certificates.client.cert).toString('base64') };
    const clock = createClock();
    const objects = await connect(await writeConfig(cluster.url, { token: 't' }, other), clock);
    await expect(objects.list('jobs', {}, { signal })).rejects.toMatchObject({
      code: 'command-unavailable',
      retryable: false,
    });
    expect([cluster.requests, clock.waits]).toEqual([[], []]);
  });

  it('ends with its signal', async () => {
    await using cluster = await startCluster();
    cluster.tokens.add('t');
    const abort = new AbortController();
    const objects = await connect(await writeConfig(cluster.url, { token: 't' }));
    cluster.fault = () => {
      abort.abort(new RangeError('enough'));
      return { status: 503 };
    };
    await expect(objects.list('jobs', {}, { signal: abort.signal })).rejects.toThrow('enough');
  });
});
