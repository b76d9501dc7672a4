import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { attributeNames, toEpisode, type JsonValue } from '@agent-lightning/core';
import { runJob, type RunJobOptions, type RunnerOptions } from '../src/index.ts';
import { holdTimers } from '../../gateway/test/held-timers.ts';
import { endpoint, runOne, type CommandRun } from './command-run.ts';
import { makeCertificates, type Certificates } from './job-cluster/certificates.ts';
import { readDocumentedRights, rightOf } from './job-cluster/documented-role.ts';
import { JobCluster, type Kubelet } from './job-cluster/job-cluster.ts';

let folder: string;
let certificates: Certificates;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'run-job-'));
  certificates = makeCertificates(folder);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Starts a cluster in which a trainer has the rights of the documents. */
async function startCluster(): Promise<JobCluster> {
  const cluster = await new JobCluster(certificates).start();
  const rights = readDocumentedRights();
  cluster.isAllowed = (request) => rights.has(rightOf(request));
  return cluster;
}

/** Writes a kubeconfig of a cluster; the user shows the client's certificate unless another is given. */
async function writeKubeconfig(cluster: JobCluster, user?: object): Promise<string> {
  const { authority, client } = certificates;
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const shown = { 'client-certificate-data': base64(client.cert), 'client-key-data': base64(client.key) };
  const path = join(await mkdtemp(join(folder, 'kube-')), 'config');
  const config = {
    'current-context': 'test',
    contexts: [{ name: 'test', context: { cluster: 'c', user: 'u', namespace: 'training' } }],
    clusters: [{ name: 'c', cluster: { server: cluster.url, 'certificate-authority-data': base64(authority) } }],
    users: [{ name: 'u', user: user ?? shown }],
  };
  await writeFile(path, JSON.stringify(config));
  return path;
}

/** The template of an agent that is a script of Node. */
function template(script: string, spec: object = {}, pod: object = {}, container: object = {}): object {
  const agent = { name: 'agent', image: 'node:24', command: [process.execPath, '-e', script], ...container };
  const podSpec = { hostNetwork: true, containers: [agent], ...pod };
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'greeter' },
    spec: { ...spec, template: { spec: podSpec } },
  };
}

/** Runs one rollout as a Job of a cluster. */
async function run(
  cluster: JobCluster,
  options: Partial<RunJobOptions>,
  input: JsonValue = null,
  runner: Partial<RunnerOptions<JsonValue>> = {},
): Promise<CommandRun> {
  const kubeconfig = options.kubeconfig ?? (await writeKubeconfig(cluster));
  return await runOne(runJob({ template: template(rewardOne), pollMs: 5, ...options, kubeconfig }), input, runner);
}

const rewardOne = 'console.log(\'{"reward":1}\')';
const stdoutOf = ({ spans }: CommandRun): string =>
  String(spans.find(({ kind }) => kind === 'operation')!.attributes[attributeNames.commandStdout]);

describe('a Job of an attempt', () => {
  it('gets its task, calls its endpoint with its key, and prints its reward', async () => {
    await using cluster = await startCluster();
    const seen: IncomingHttpHeaders[] = [];
    await using server = createServer(({ headers, url }, response) => {
      seen.push(headers);
      response.end(JSON.stringify({ url }));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/rollout/r/v1`;
    const gateway = { openAttempt: async () => ({ ...endpoint, baseUrl }), closeAttempt: async () => undefined };
    const script = `const { OPENAI_BASE_URL, OPENAI_API_KEY, AGENT_LIGHTNING_MODEL, AGENT_LIGHTNING_TASK } = process.env;
      const headers = { authorization: 'Bearer ' + OPENAI_API_KEY, connection: 'close' };
      fetch(OPENAI_BASE_URL + '/models', { headers }).then((response) => response.json()).then(({ url }) => {
        console.error(AGENT_LIGHTNING_MODEL, OPENAI_API_KEY, url);
        console.log(JSON.stringify({ reward: JSON.parse(AGENT_LIGHTNING_TASK).worth }));
      })`;
    const result = await run(cluster, { template: template(script) }, { worth: 0.25 }, { gateway });
    expect(result.rollout.failure).toBeUndefined();
    expect(toEpisode(result.rollout, result.spans).reward).toBe(0.25);
    expect(seen.map(({ authorization }) => authorization)).toEqual([`Bearer ${endpoint.apiKey}`]);
    expect(stdoutOf(result)).toMatch(/^policy \[key of the attempt\] \/rollout\/r\/v1\/models\n\{"reward":0.25\}\n$/);
    expect(['jobs', 'pods', 'secrets', 'leases'].flatMap((kind) => cluster.names(kind))).toEqual([]);
    expect(new Set(cluster.requests.map(({ user }) => user))).toEqual(new Set(['trainer']));
  });
});

describe('what a Job gets', () => {
  it('is the environment of its attempt, its arguments as they are, and its task in a file when asked for', async () => {
    await using cluster = await startCluster();
    vi.stubEnv('SHARED_KEY', 'canary');
    const script = `const { AGENT_LIGHTNING_TASK_FILE: file, ...env } = process.env;
      console.log(JSON.stringify({ env, args: process.argv.slice(1), task: require('node:fs').readFileSync(file, 'utf8') }));`;
    const env = [
      { name: 'OPENAI_BASE_URL', value: 'http://of.the.template' },
      { name: 'KEPT', value: 'of the template' },
    ];
    let seen: { env: Record<string, string>; args: string[]; task: string } | undefined;
    const { rollout } = await run(
      cluster,
      {
        template: template(script, {}, {}, { env }),
        args: (task) => [String((task as { n: number }).n), '$(OPENAI_API_KEY)', 'a$$b'],
        env: { OWN: 'lines\nof text', OPENAI_AGENTS_DISABLE_TRACING: '0' },
        inheritEnv: ['SHARED_KEY', 'NOT_THERE'],
        taskIn: 'file',
        taskForAgent: (task) => ({ n: (task as { n: number }).n }),
        reward: ({ stdout, stderr, exitCode }) => {
          seen = JSON.parse(stdout) as typeof seen;
          return stderr === '' && exitCode === 0 ? 1 : 0;
        },
      },
      { n: 7, answer: 49 },
    );
    vi.unstubAllEnvs();
    expect(rollout.failure).toBeUndefined();
    expect(seen).toMatchObject({ args: ['7', '$(OPENAI_API_KEY)', 'a$$b'], task: '{"n":7}' });
    expect(seen!.env).toMatchObject({
      OPENAI_BASE_URL: endpoint.baseUrl,
      OPENAI_API_KEY: '[key of the attempt]',
      AGENT_LIGHTNING_ROLLOUT_ID: rollout.rolloutId,
      OPENAI_AGENTS_DISABLE_TRACING: '0',
      KEPT: 'of the template',
      OWN: 'lines\nof text',
      SHARED_KEY: 'canary',
    });
    expect(seen!.env).not.toHaveProperty('NOT_THERE');
    const [created] = cluster.requests.filter(({ verb, resource }) => verb === 'create' && resource === 'jobs');
    expect(JSON.stringify(created!.body)).not.toMatch(/canary|al-canary|answer|lines/);
  });

  it('is never an address that is its own', async () => {
    await using cluster = await startCluster();
    const { rollout } = await run(cluster, { template: template(rewardOne, {}, { hostNetwork: false }) });
    expect(rollout.failure).toMatchObject({
      code: 'option-invalid',
      message: expect.stringMatching(/gatewayUrl must be given: the gateway is at http:\/\/127\.0\.0\.1:9/),
    });
    expect(cluster.requests).toEqual([]);
  });
});

describe('the end of a Job', () => {
  it('keeps its exit code and its last words', async () => {
    await using cluster = await startCluster();
    const { rollout } = await run(cluster, { template: template('console.error("no table"); process.exit(3)') });
    expect(rollout.failure).toMatchObject({
      code: 'command-failed',
      message: expect.stringMatching(
        /the Job greeter-\w{16} \(node:24\) ended with exit code 3\. Its last words: no table/,
      ),
    });
  });

  it('names what ended it, to the reader and to a reward function', async () => {
    await using cluster = await startCluster();
    cluster.kubelet = (pod) => cluster.end(pod, { exitCode: 137, reason: 'OOMKilled', log: 'working\n' });
    const killed = await run(cluster, {});
    expect(killed.rollout.failure!.message).toContain('ended with exit code 137 (OOMKilled). Its last words: working');
    const reward = vi.fn<NonNullable<Exclude<RunJobOptions['reward'], string>>>(() => 0);
    expect((await run(cluster, { reward })).rollout.status).toBe('succeeded');
    expect(reward.mock.calls[0]![0]).toMatchObject({ exitCode: 137, endedBy: 'OOMKilled', stdout: 'working\n' });
  });

  it('caps its log', async () => {
    await using cluster = await startCluster();
    cluster.kubelet = (pod) => cluster.end(pod, { log: `first${'x'.repeat(100_000)}\n{"reward":0.5}\n` });
    const result = await run(cluster, { maxOutputBytes: 1_000 });
    expect(toEpisode(result.rollout, result.spans).reward).toBe(0.5);
    expect(stdoutOf(result)).toMatch(/^first/);
    expect(stdoutOf(result).length).toBeLessThan(1_100);
  });

  it.each<[string, Kubelet, string]>([
    [
      'was deleted',
      (pod, cluster) => void cluster.store.remove('jobs', pod.metadata.labels!['job-name']!),
      'deleted by someone else',
    ],
    [
      'lost its pod to another',
      (pod, cluster) =>
        cluster.setPod(pod.metadata.name, { phase: 'Failed', reason: 'Evicted', message: 'low on memory' }),
      'its pod ended: Evicted: low on memory',
    ],
  ])('is none of the agent’s when it %s', async (_, kubelet, why) => {
    await using cluster = await startCluster();
    cluster.kubelet = kubelet;
    const { rollout } = await run(cluster, {});
    expect(rollout.failure).toMatchObject({ code: 'command-unavailable', message: expect.stringContaining(why) });
    expect(['jobs', 'secrets', 'leases'].flatMap((kind) => cluster.names(kind))).toEqual([]);
  });

  it('is a time-out when the cluster ended it by its deadline', async () => {
    await using cluster = await startCluster();
    cluster.kubelet = (pod) => {
      const condition = { type: 'Failed', status: 'True', reason: 'DeadlineExceeded' };
      cluster.setJob(pod.metadata.labels!['job-name']!, [condition]);
      cluster.store.remove('pods', pod.metadata.name);
    };
    const { rollout } = await run(cluster, {});
    expect(rollout.failure).toMatchObject({
      code: 'timed-out',
      message: expect.stringContaining('took longer than its activeDeadlineSeconds'),
    });
  });
});

describe('a Job that does not start', () => {
  const limitMs = 54_321;

  /** Runs a Job whose start is over once the cluster has been asked about it twice. */
  async function runUntilLimit(
    cluster: JobCluster,
    durationMs: number,
    options: Partial<RunJobOptions> = {},
  ): Promise<CommandRun> {
    using time = holdTimers(durationMs);
    const running = run(cluster, options);
    const asked = (): number => cluster.requests.filter(({ resource }) => resource === 'pods').length;
    await cluster.until(() => cluster.names('pods').length > 0 || cluster.names('jobs').length > 0);
    const before = asked();
    await cluster.until(() => time.count > 0 && asked() > before + 1);
    time.end();
    return await running;
  }

  it('is named at once for an image that can never be had', async () => {
    await using cluster = await startCluster();
    cluster.kubelet = ({ metadata }) =>
      cluster.setPod(metadata.name, {
        containerStatuses: [
          {
            name: 'agent',
            state: { waiting: { reason: 'InvalidImageName', message: 'Failed to apply default image tag' } },
          },
        ],
      });
    const { rollout } = await run(cluster, {});
    expect(rollout.failure).toMatchObject({
      code: 'command-unavailable',
      message: expect.stringContaining('did not start: InvalidImageName: Failed to apply default image tag'),
    });
    expect(cluster.names('jobs')).toEqual([]);
  });

  it('is named after a minute for an image that cannot be pulled', async () => {
    await using cluster = await startCluster();
    cluster.kubelet = ({ metadata }) =>
      cluster.setPod(metadata.name, {
        containerStatuses: [
          {
            name: 'agent',
            state: { waiting: { reason: 'ImagePullBackOff', message: 'Back-off pulling image "node:24"' } },
          },
        ],
      });
    const { rollout } = await runUntilLimit(cluster, 60_000);
    expect(rollout.failure!.message).toContain('ImagePullBackOff: Back-off pulling image "node:24"');
  });

  it('is named with its reason when its time is over', async () => {
    await using cluster = await startCluster();
    cluster.kubelet = ({ metadata }) =>
      cluster.setPod(metadata.name, {
        conditions: [
          { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/3 nodes are available' },
        ],
      });
    const { rollout } = await runUntilLimit(cluster, limitMs, { startTimeoutMs: limitMs });
    expect(rollout.failure).toMatchObject({
      code: 'command-unavailable',
      message: expect.stringContaining('did not start: Unschedulable: 0/3 nodes are available'),
    });
  });

  it('is named with its event when it gets no pod', async () => {
    await using cluster = await startCluster();
    cluster.kubelet = (pod) => {
      cluster.store.remove('pods', pod.metadata.name);
      const name = pod.metadata.labels!['job-name'];
      cluster.addEvent({
        involvedObject: { name },
        reason: 'FailedCreate',
        message: 'pods is forbidden: exceeded quota',
      });
    };
    const { rollout } = await runUntilLimit(cluster, limitMs, { startTimeoutMs: limitMs });
    expect(rollout.failure!.message).toContain('did not start: FailedCreate: pods is forbidden: exceeded quota');
  });
});

describe('a Job whose time is over', () => {
  const limitMs = 54_321;
  const waits = `setInterval(() => undefined, 1_000); console.log('runs')`;

  async function runUntilTimeout(
    options: Partial<RunJobOptions>,
    runner: Partial<RunnerOptions<JsonValue>>,
  ): Promise<CommandRun> {
    await using cluster = await startCluster();
    using time = holdTimers(limitMs);
    const running = run(cluster, { template: template(waits), killGraceMs: 1_000, ...options }, null, runner);
    await cluster.until(() => time.count > 0 && cluster.hasPrinted('runs'));
    time.end();
    const result = await running;
    await cluster.until(() => cluster.names('jobs').length === 0 && cluster.names('pods').length === 0);
    return result;
  }

  it('is deleted, and what it wrote is kept', async () => {
    const result = await runUntilTimeout({ timeoutMs: limitMs }, {});
    expect(result.rollout.failure).toMatchObject({
      code: 'timed-out',
      message: expect.stringContaining(`took longer than ${limitMs} ms`),
    });
    expect(stdoutOf(result)).toBe('runs\n');
  });

  it('is deleted when the attempt ends it', async () => {
    const { rollout } = await runUntilTimeout({}, { attemptTimeoutMs: limitMs });
    expect(rollout.failure).toMatchObject({ code: 'timed-out' });
  });
});
