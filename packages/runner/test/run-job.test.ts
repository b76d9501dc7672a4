import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attributeNames, toEpisode, type JsonValue } from '@agent-lightning/core';
import { runJob, type RunJobOptions, type RunnerOptions } from '../src/index.ts';
import { endpoint, runOne, type CommandRun } from './command-run.ts';
import { makeCertificates, type Certificates } from './job-cluster/certificates.ts';
import { JobCluster } from './job-cluster/job-cluster.ts';

let folder: string;
let certificates: Certificates;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'run-job-'));
  certificates = makeCertificates(folder);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const startCluster = (): Promise<JobCluster> => new JobCluster(certificates).start();

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
