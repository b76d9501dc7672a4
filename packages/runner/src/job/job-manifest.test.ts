import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { RolloutContext } from '../rollout-function.ts';
import { jobEndpoint } from './job-endpoint.ts';
import { createJob, createSecret, toLabel, type JobFacts } from './job-manifest.ts';
import { resolveJobOptions, type RunJobOptions } from './job-options.ts';
import type { Job } from './kubernetes-types.ts';

const containers = [{ name: 'agent', image: 'my-agent:1' }];
const manifest = (spec: object = {}, pod: object = {}, metadata: object = {}): object => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata,
  spec: { template: { spec: { containers, ...pod } }, ...spec },
});
const context = {
  rollout: { rolloutId: 'r/1', runId: 'run-1', timeouts: {} },
  attempt: { attemptId: 'a-1', attemptNumber: 1 },
} as unknown as RolloutContext;
const facts: JobFacts = {
  name: 'agent-lightning-0123',
  namespace: 'training',
  owner: 'o-1',
  ownerReference: { uid: 'u' },
  variables: { OPENAI_API_KEY: 'al-key', GONE: undefined },
  taskFile: undefined,
  args: undefined,
};
const build = (options: RunJobOptions<never>, given: Partial<JobFacts> = {}, of: RolloutContext = context): Job =>
  createJob(resolveJobOptions(options), { ...facts, ...given }, of);
const agentOf = (job: Job): object => job.spec.template.spec.containers[0]!;

describe('the Job of an attempt', () => {
  it('is the template with names, one run, and no rights that it does not ask for', () => {
    const job = build({ template: manifest() });
    expect(job).toEqual({
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: {
        name: facts.name,
        namespace: 'training',
        ownerReferences: [{ uid: 'u' }],
        labels: {
          'agent-lightning.owner': 'o-1',
          'agent-lightning.run': 'run-1',
          'agent-lightning.rollout': toLabel('r/1'),
          'agent-lightning.attempt': 'a-1',
        },
        annotations: {
          'agent-lightning.run': 'run-1',
          'agent-lightning.rollout': 'r/1',
          'agent-lightning.attempt': 'a-1',
        },
      },
      spec: {
        backoffLimit: 0,
        ttlSecondsAfterFinished: 3_600,
        template: {
          metadata: { labels: job.metadata.labels, annotations: job.metadata.annotations },
          spec: {
            automountServiceAccountToken: false,
            restartPolicy: 'Never',
            terminationGracePeriodSeconds: 5,
            containers: [
              {
                name: 'agent',
                image: 'my-agent:1',
                env: [
                  { name: 'OPENAI_API_KEY', valueFrom: { secretKeyRef: { name: facts.name, key: 'OPENAI_API_KEY' } } },
                ],
                securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
              },
            ],
          },
        },
      },
    });
  });

  it('keeps what the template says of rights, time, labels and variables that the attempt has no word on', () => {
    const own = {
      automountServiceAccountToken: true,
      terminationGracePeriodSeconds: 40,
      containers: [
        {
          ...containers[0],
          securityContext: { capabilities: { add: ['CHOWN'] } },
          resources: { requests: { cpu: '0.1' }, limits: { memory: '1Gi', 'nvidia.com/gpu': 1 } },
          env: ['KEPT', 'OPENAI_API_KEY', 'GONE'].map((name) => ({ name, value: 'of the template' })),
        },
      ],
    };
    const metadata = { name: 'mine', labels: { team: 'a' } };
    const job = build({
      template: manifest({ ttlSecondsAfterFinished: 60 }, own, metadata),
      memory: '512Mi',
      cpus: 0.5,
    });
    const pod = job.spec.template.spec;
    expect([pod.automountServiceAccountToken, pod.terminationGracePeriodSeconds]).toEqual([true, 40]);
    expect([job.spec.ttlSecondsAfterFinished, job.metadata.labels?.['team']]).toEqual([60, 'a']);
    expect(agentOf(job)).toMatchObject({
      securityContext: { allowPrivilegeEscalation: false, capabilities: { add: ['CHOWN'] } },
      resources: { requests: { cpu: '0.1' }, limits: { memory: '512Mi', cpu: '0.5', 'nvidia.com/gpu': 1 } },
      env: [
        { name: 'KEPT', value: 'of the template' },
        { name: 'OPENAI_API_KEY', valueFrom: {} },
      ],
    });
  });

  it('has a deadline of the cluster that is later than ours, or the template’s when that is earlier', () => {
    const seconds = (options: object, spec: object = {}, of = context): number | undefined =>
      build({ template: manifest(spec), startTimeoutMs: 100_000, ...options }, {}, of).spec.activeDeadlineSeconds;
    const limited = { ...context, rollout: { ...context.rollout, timeouts: { startToFinishMs: 20_000 } } };
    expect(seconds({})).toBeUndefined();
    expect(seconds({ timeoutMs: 30_000 })).toBe(100 + 30 + 5 + 60);
    expect(seconds({ timeoutMs: 30_000, killGraceMs: 500 }, {}, limited)).toBe(181);
    expect(seconds({ timeoutMs: 30_000 }, { activeDeadlineSeconds: 50 })).toBe(50);
    expect(seconds({ timeoutMs: 30_000 }, { activeDeadlineSeconds: 5_000 })).toBe(195);
  });

  it('takes its arguments as they are, and those of the template without any', () => {
    expect(agentOf(build({ template: manifest() }, { args: ['$(KEY)', 'a$$b'] }))).toMatchObject({
      args: ['$$(KEY)', 'a$$$$b'],
    });
    expect(agentOf(build({ template: manifest() }))).not.toHaveProperty('args');
  });

  it('mounts its task from its Secret when it is in a file', () => {
    const job = build({ template: manifest(), taskIn: 'file' }, { taskFile: '{}' });
    expect(agentOf(job)).toMatchObject({
      env: [{}, { name: 'AGENT_LIGHTNING_TASK_FILE', value: '/agent-lightning/task.json' }],
      volumeMounts: [{ mountPath: '/agent-lightning', readOnly: true }],
    });
    expect(job.spec.template.spec.volumes).toMatchObject([{ secret: { secretName: facts.name } }]);
  });

  it('shows no variable, which are in its Secret, up to what a Secret holds', () => {
    expect(JSON.stringify(build({ template: manifest() }))).not.toContain('al-key');
    expect(createSecret(facts, context)).toMatchObject({
      immutable: true,
      metadata: { name: facts.name, ownerReferences: [{ uid: 'u' }] },
      data: { OPENAI_API_KEY: Buffer.from('al-key').toString('base64') },
    });
    const withTask = (length: number): JobFacts => ({ ...facts, taskFile: 'x'.repeat(length) });
    expect(() => createSecret(withTask(1_048_570), context)).not.toThrow();
    expect(() => createSecret(withTask(1_048_571), context)).toThrow('at most 1048576 bytes');
    expect(() => createSecret({ ...facts, variables: { 'A B': '1' } }, context)).toThrow('env["A B"]');
  });

  it('has labels that the API takes, whatever its ids are', () => {
    for (const id of ['r/1', 'ö', '-a', 'x'.repeat(64), '']) expect(toLabel(id)).toMatch(/^sha256-[0-9a-f]{32}$/);
    for (const id of ['ro-1', 'a.b_c', 'x'.repeat(63), '7']) expect(toLabel(id)).toBe(id);
  });
});

describe('the options of runJob', () => {
  const refused = (options: object): string => {
    try {
      resolveJobOptions(options as RunJobOptions);
      return 'taken';
    } catch (error) {
      expect(error).toMatchObject({ code: 'option-invalid' });
      return (error as Error).message;
    }
  };

  it.each([
    [{ template: {} }, 'a manifest of kind Job'],
    [{ template: { apiVersion: 'v1', kind: 'Pod' } }, 'v1 Pod'],
    [{ template: manifest({}, { containers: [] }) }, 'containers'],
    [{ template: manifest({}, { containers: [{ name: 'agent' }] }) }, 'image'],
    [{ template: manifest({ backoffLimit: 3 }) }, 'spec.backoffLimit must be left out, or 0'],
    [{ template: manifest({ parallelism: 2 }) }, 'spec.parallelism'],
    [{ template: manifest({ completions: 2 }) }, 'spec.completions'],
    [{ template: manifest({ completionMode: 'Indexed' }) }, 'spec.completionMode'],
    [{ template: manifest({}, { restartPolicy: 'OnFailure' }) }, 'restartPolicy'],
    [{ template: manifest({ selector: {} }) }, 'spec.selector'],
    [{ template: manifest({ podFailurePolicy: { rules: [] } }) }, 'spec.podFailurePolicy'],
    [{ template: manifest({ ttlSecondsAfterFinished: 0 }) }, 'ttlSecondsAfterFinished'],
    [{ template: manifest({}, {}, { name: 'A_b' }) }, 'metadata.name'],
    [{ template: manifest({}, {}, { resourceVersion: '5' }) }, 'a Job that exists'],
    [{ template: manifest(), container: 'other' }, 'one of the template: agent'],
    [{ template: manifest(), taskIn: 'stdin' }, 'no standard input'],
    [{ template: manifest(), memory: '512m' }, 'half a byte'],
    [{ template: manifest(), cpus: 0 }, 'cpus'],
    [{ template: manifest(), pollMs: 20_001 }, 'at most 20000: the Lease is renewed after each look'],
    [{ template: manifest(), pollMs: 0 }, 'pollMs'],
    [{ template: manifest(), gatewayUrl: 'http://127.0.0.1:4100' }, 'an address that pods reach'],
    [{ template: manifest(), gatewayUrl: 'http://trainer:4100/v1' }, 'without a path'],
    [{ template: manifest(), gatewayUrl: 'trainer:4100' }, 'http or https'],
    [{ template: '/not/there.yaml' }, 'ENOENT'],
  ])('are refused by name: %j', (options, message) => {
    expect(refused(options)).toContain(message);
  });

  it('take a template of a file, as YAML or JSON', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'job-template-'));
    const path = join(folder, 'job.yaml');
    const yaml = `apiVersion: batch/v1\nkind: Job\nmetadata: {generateName: mine-}\nspec:\n  template:\n    spec:\n      containers:\n      - {name: proxy, image: p}\n      - {name: agent, image: a}\n`;
    await writeFile(path, yaml);
    expect(resolveJobOptions({ template: path, container: 'agent' }).template).toMatchObject({
      prefix: 'mine',
      agent: 1,
      image: 'a',
    });
    await writeFile(path, JSON.stringify(manifest()));
    expect(resolveJobOptions({ template: path }).template.prefix).toBe('agent-lightning');
    await writeFile(path, `${yaml}---\n${yaml}`);
    expect(refused({ template: path })).toContain('one Job as YAML or JSON');
    await rm(folder, { recursive: true });
  });
});

describe('the endpoint of a pod', () => {
  const llm = { baseUrl: 'http://127.0.0.1:4100/rollout/r/v1', apiKey: 'k', model: 'm', sampling: {} };
  const seenBy = (options: RunJobOptions, baseUrl = llm.baseUrl): string =>
    jobEndpoint({ ...llm, baseUrl }, resolveJobOptions(options) as never).baseUrl;

  it('is at the address that is given, or as the gateway says', () => {
    const gatewayUrl = 'https://gateway.internal.example';
    expect(seenBy({ template: manifest(), gatewayUrl })).toBe('https://gateway.internal.example/rollout/r/v1');
    expect(seenBy({ template: manifest() }, 'http://trainer:80/a/v1')).toBe('http://trainer:80/a/v1');
    expect(seenBy({ template: manifest({}, { hostNetwork: true }) })).toBe(llm.baseUrl);
  });

  it('is never the pod itself', () => {
    for (const host of ['127.0.0.1', 'localhost', '[::1]', '0.0.0.0'])
      expect(() => seenBy({ template: manifest() }, `http://${host}:4100/v1`)).toThrow(
        /gatewayUrl must be given: the gateway is at http:\/\/.*publicUrl/,
      );
  });
});
