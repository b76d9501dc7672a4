import { createHash } from 'node:crypto';
import { check } from '@agent-lightning/core';
import type { RolloutContext } from '../rollout-function.ts';
import type { ResolvedJobOptions } from './job-options.ts';
import type { Container, EnvironmentEntry, Job, ObjectMeta, PodSpec } from './kubernetes-types.ts';

/** The label of what `runJob` creates, by which it finds what is its own. */
export const labels = {
  owner: 'agent-lightning.owner',
  run: 'agent-lightning.run',
  rollout: 'agent-lightning.rollout',
  attempt: 'agent-lightning.attempt',
  lease: 'agent-lightning.lease',
} as const;

/** Holds what is said of one attempt's Job besides the options. */
export interface JobFacts {
  /** The name of the Job, and of its Secret. */
  readonly name: string;
  readonly namespace: string;
  /** Identifies the `runJob` that creates it. */
  readonly owner: string;
  /** The object with which the Job, and its Secret until there is a Job, are deleted. */
  readonly ownerReference: object;
  /** The variables of the agent; undefined is one that it must not have. */
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** The task as JSON when it goes into a file. */
  readonly taskFile: string | undefined;
  readonly args: readonly string[] | undefined;
}

/** The object that holds what must not be read in a Job: keys, tasks, and every other variable. */
export interface Secret {
  readonly apiVersion: 'v1';
  readonly kind: 'Secret';
  readonly metadata: ObjectMeta;
  readonly immutable: true;
  readonly data: Readonly<Record<string, string>>;
}

/** The most bytes that the API server takes in one Secret. */
const secretLimitBytes = 1_048_576;
const taskFileKey = 'agent-lightning-task.json';
const taskFolder = '/agent-lightning';
/** The time after its end for which a Job stays that nobody deletes. */
const usualTtlSeconds = 3_600;

type Options = Omit<ResolvedJobOptions<never>, 'shared'> & {
  readonly shared: { readonly timeoutMs?: number | undefined; readonly killGraceMs: number };
};

/** Returns the Secret of one attempt. @throws {ConfigurationError} `option-invalid` for a variable that a container cannot have, or too much */
export function createSecret(facts: JobFacts, context: RolloutContext): Secret {
  const data: Record<string, string> = {};
  const texts = { ...facts.variables, ...(facts.taskFile !== undefined && { [taskFileKey]: facts.taskFile }) };
  let bytes = 0;
  for (const [name, text] of Object.entries(texts)) {
    if (text === undefined) continue;
    if (!/^[-._a-zA-Z][-._a-zA-Z0-9]{0,252}$/.test(name) || text.includes('\0'))
      throw check.optionInvalid(
        `runJob: env["${name}"]`,
        JSON.stringify(text.slice(0, 80)),
        'a variable whose name has letters, digits, "_", "-" and ".", and whose text has no NUL',
      );
    bytes += Buffer.byteLength(text);
    data[name] = Buffer.from(text).toString('base64');
  }
  if (bytes > secretLimitBytes)
    throw check.optionInvalid(
      'runJob: task',
      `${bytes} bytes with its variables`,
      `at most ${secretLimitBytes} bytes, which is what a Secret holds`,
    );
  return { apiVersion: 'v1', kind: 'Secret', metadata: metadataOf(facts, context), immutable: true, data };
}

/** Returns the Job of one attempt: the template with the attempt's names, variables and limits. */
export function createJob(options: Options, facts: JobFacts, context: RolloutContext): Job {
  const { manifest, agent } = options.template;
  const { spec } = manifest;
  const pod = spec.template;
  const own = metadataOf(facts, context);
  const deadline = deadlineSeconds(options, context, spec.activeDeadlineSeconds);
  return {
    ...manifest,
    metadata: merge(manifest.metadata, own),
    spec: {
      ...spec,
      backoffLimit: 0,
      ttlSecondsAfterFinished: spec.ttlSecondsAfterFinished ?? usualTtlSeconds,
      ...(deadline !== undefined && { activeDeadlineSeconds: deadline }),
      template: {
        ...pod,
        metadata: merge(pod.metadata, { labels: own.labels!, annotations: own.annotations! }),
        spec: podSpec(options, facts, pod.spec, agent),
      },
    },
  };
}

function podSpec(options: Options, facts: JobFacts, spec: PodSpec, agent: number): PodSpec {
  const graceMs =
    options.ownGraceMs ?? (spec.terminationGracePeriodSeconds === undefined ? options.shared.killGraceMs : undefined);
  return {
    // An agent does what its model says: the token of the pod opens the cluster's API.
    automountServiceAccountToken: false,
    ...spec,
    restartPolicy: 'Never',
    ...(graceMs !== undefined && { terminationGracePeriodSeconds: Math.ceil(graceMs / 1_000) }),
    ...(facts.taskFile !== undefined && { volumes: [...(spec.volumes ?? []), taskVolume(facts.name)] }),
    containers: spec.containers.map((each, index) => (index === agent ? agentContainer(options, facts, each) : each)),
  };
}

function agentContainer(options: Options, facts: JobFacts, container: Container): Container {
  const { memory, cpus } = options;
  const limits = { ...(memory !== undefined && { memory }), ...(cpus !== undefined && { cpu: String(cpus) }) };
  return {
    ...container,
    ...(facts.args !== undefined && { args: facts.args.map(literal) }),
    env: environment(facts, container.env ?? []),
    ...(Object.keys(limits).length > 0 && {
      resources: { ...container.resources, limits: { ...container.resources?.limits, ...limits } },
    }),
    ...(facts.taskFile !== undefined && {
      volumeMounts: [
        ...(container.volumeMounts ?? []),
        { name: taskVolumeName, mountPath: taskFolder, readOnly: true },
      ],
    }),
    securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] }, ...container.securityContext },
  };
}

/** Returns the variables of the template that the attempt has no word on, then the attempt's own, from its Secret. */
function environment(
  { name: secret, variables, taskFile }: JobFacts,
  template: readonly EnvironmentEntry[],
): readonly EnvironmentEntry[] {
  const kept = template.filter(({ name }) => !Object.hasOwn(variables, name) && name !== taskFileVariable);
  const own = Object.entries(variables).filter(([, value]) => value !== undefined);
  return [
    ...kept,
    ...own.map(([name]) => ({ name, valueFrom: { secretKeyRef: { name: secret, key: name } } })),
    ...(taskFile === undefined ? [] : [{ name: taskFileVariable, value: `${taskFolder}/task.json` }]),
  ];
}

const taskFileVariable = 'AGENT_LIGHTNING_TASK_FILE';
const taskVolumeName = 'agent-lightning-task';

function taskVolume(secret: string): object {
  const items = [{ key: taskFileKey, path: 'task.json' }];
  return { name: taskVolumeName, secret: { secretName: secret, items, defaultMode: 0o444 } };
}

/** Returns an argument in which Kubernetes replaces nothing: it would read `$(NAME)` as a variable. */
function literal(argument: string): string {
  return argument.replaceAll('$', '$$$$');
}

/** Returns the seconds after which the cluster ends the Job, should nobody here do so; the template's when they are fewer. */
function deadlineSeconds(
  options: Options,
  { rollout }: RolloutContext,
  template: number | undefined,
): number | undefined {
  const { startTimeoutMs, shared } = options;
  const limitMs = Math.min(shared.timeoutMs ?? Infinity, rollout.timeouts.startToFinishMs ?? Infinity);
  const ownMs = startTimeoutMs + limitMs + shared.killGraceMs;
  const own = Number.isFinite(ownMs) ? Math.ceil(ownMs / 1_000) + 60 : Infinity;
  const seconds = Math.min(own, template ?? Infinity);
  return Number.isFinite(seconds) ? seconds : undefined;
}

function metadataOf(
  { name, namespace, owner, ownerReference }: JobFacts,
  { rollout, attempt }: RolloutContext,
): ObjectMeta {
  const names = {
    ...(rollout.runId !== undefined && { [labels.run]: rollout.runId }),
    [labels.rollout]: rollout.rolloutId,
    [labels.attempt]: attempt.attemptId,
  };
  return {
    name,
    namespace,
    labels: {
      [labels.owner]: owner,
      ...Object.fromEntries(Object.entries(names).map(([key, id]) => [key, toLabel(id)])),
    },
    annotations: names,
    ownerReferences: [ownerReference],
  };
}

function merge(
  { labels: own, annotations, name: _name, generateName: _prefix, ...rest }: ObjectMeta = {},
  added: ObjectMeta,
): ObjectMeta {
  return {
    ...rest,
    ...added,
    labels: { ...own, ...added.labels },
    annotations: { ...annotations, ...added.annotations },
  };
}

/** Returns an id as the value of a label: itself where it can be one, else a name made of it. */
export function toLabel(id: string): string {
  if (/^[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/.test(id)) return id;
  return `sha256-${createHash('sha256').update(id).digest('hex').slice(0, 32)}`;
}
