import { check, type ConfigurationError, type JsonValue } from '@agent-lightning/core';
import {
  checkCommandOptions,
  invalidOption,
  type LaunchOptions,
  type ResolvedCommandOptions,
} from '../command/command-options.ts';
import { isOwnAddress } from '../command/own-address.ts';
import { renewalMs } from './job-owner.ts';
import { readTemplate, type JobTemplate } from './job-template.ts';

/** Options of `runJob`. Those that it shares with `runCommand` mean the same; `env` and `args` are those of the agent's container. */
export interface RunJobOptions<Task = JsonValue> extends Omit<LaunchOptions<Task>, 'taskIn'> {
  /**
   * The manifest of a Job, as an object or as the path of a file of YAML or JSON. Each attempt gets a Job of its own that is like it, with the
   * attempt's variables, names and limits.
   */
  readonly template: string | object;
  /** The name of the template's container that is the agent. @default its first */
  readonly container?: string;
  /**
   * The address at which pods reach the gateway, such as `http://trainer.default.svc:4100`: it takes the place of scheme, host and port of the
   * attempt's endpoint. @default the endpoint as the gateway gives it, by its `publicUrl`; one of loopback is rejected
   */
  readonly gatewayUrl?: string;
  /** The namespace of the Jobs. @default that of the template, else of the kubeconfig's context or the service account, else 'default' */
  readonly namespace?: string;
  /** The path of a kubeconfig. @default as `kubectl`: `KUBECONFIG`, `~/.kube/config`, else the service account of this process's pod */
  readonly kubeconfig?: string;
  /** The context of the kubeconfig. @default its current one */
  readonly context?: string;
  /** The way in which the task arrives as JSON: in `AGENT_LIGHTNING_TASK`, or in the file that `AGENT_LIGHTNING_TASK_FILE` names. @default 'environment' */
  readonly taskIn?: 'environment' | 'file';
  /** The variables of this process that the container gets besides the attempt's own. @default none */
  readonly inheritEnv?: readonly string[];
  /** The most memory of the agent's container, as Kubernetes writes it: `512Mi`, `2Gi`. More ends it as OOMKilled. @default that of the template */
  readonly memory?: string;
  /** The most processors that the agent's container uses, such as 0.5. @default that of the template */
  readonly cpus?: number;
  /** The time from the Job's creation until its container runs: waiting for a node and pulling the image. `timeoutMs` begins after it. @default 600_000 */
  readonly startTimeoutMs?: number;
  /** The time between two questions for the states of all Jobs of this process; at most 20_000, for its Lease is renewed between them. @default 1_000 */
  readonly pollMs?: number;
}

/** Holds the options of `runJob` with all defaults. */
export interface ResolvedJobOptions<Task> {
  readonly template: JobTemplate;
  readonly gatewayUrl: URL | undefined;
  readonly namespace: string | undefined;
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
  readonly taskIn: 'environment' | 'file';
  readonly inheritEnv: readonly string[];
  readonly memory: string | undefined;
  readonly cpus: number | undefined;
  readonly startTimeoutMs: number;
  readonly pollMs: number;
  /** False leaves the arguments of the template. */
  readonly hasArgs: boolean;
  /** The time that the container gets to end itself; undefined leaves that of the template. */
  readonly ownGraceMs: number | undefined;
  /** The options that `runCommand` has too; the command is the image. */
  readonly shared: ResolvedCommandOptions<Task>;
}

const optionNames: Readonly<Record<keyof RunJobOptions<unknown>, true>> = {
  template: true,
  container: true,
  gatewayUrl: true,
  namespace: true,
  kubeconfig: true,
  context: true,
  args: true,
  env: true,
  inheritEnv: true,
  answersTo: true,
  taskIn: true,
  taskForAgent: true,
  reward: true,
  memory: true,
  cpus: true,
  startTimeoutMs: true,
  timeoutMs: true,
  killGraceMs: true,
  maxOutputBytes: true,
  pollMs: true,
};

const invalid = invalidOption.bind(undefined, 'runJob');

/** @throws {ConfigurationError} `option-invalid` | `option-unsupported` */
export function resolveJobOptions<Task>(options: RunJobOptions<Task>): ResolvedJobOptions<Task> {
  check.knownOptions('runJob', options, optionNames);
  const { taskIn = 'environment', inheritEnv = [], cpus } = options;
  if (taskIn !== 'environment' && taskIn !== 'file')
    throw invalid('taskIn', taskIn, "'environment' or 'file': a Job has no standard input");
  if (!Array.isArray(inheritEnv) || inheritEnv.some((name) => typeof name !== 'string' || name === ''))
    throw invalid('inheritEnv', inheritEnv, 'a list of names of variables');
  for (const name of ['namespace', 'kubeconfig', 'context', 'container'] as const)
    if (options[name] !== undefined && (typeof options[name] !== 'string' || options[name] === ''))
      throw invalid(name, options[name], 'a text that is not empty');
  const template = readTemplate(options.template, options.container);
  // A task in a file is not among the variables, which is what standard input means there.
  const shared = { ...options, command: template.image, taskIn: taskIn === 'file' ? 'stdin' : 'environment' } as const;
  return Object.freeze({
    template,
    gatewayUrl: resolveGatewayUrl(options.gatewayUrl, template),
    namespace: options.namespace,
    kubeconfig: options.kubeconfig,
    context: options.context,
    taskIn,
    inheritEnv,
    memory: resolveMemory(options.memory),
    cpus: cpus === undefined ? undefined : check.positive('runJob: cpus', cpus),
    startTimeoutMs: check.timerMs('runJob: startTimeoutMs', options.startTimeoutMs ?? 600_000),
    pollMs: resolvePollMs(options.pollMs ?? 1_000),
    hasArgs: options.args !== undefined,
    ownGraceMs: options.killGraceMs,
    shared: checkCommandOptions<Task>('runJob', shared),
  });
}

function resolvePollMs(pollMs: number): number {
  if (pollMs <= renewalMs) return check.timerMs('runJob: pollMs', pollMs);
  throw invalid(
    'pollMs',
    pollMs,
    `at most ${renewalMs}: the Lease is renewed after each look, and one that is not renewed is deleted with its Jobs`,
  );
}

function resolveGatewayUrl(text: string | undefined, { isOnHost }: JobTemplate): URL | undefined {
  if (text === undefined) return undefined;
  const url = URL.parse(text);
  // An address without a path is its origin, but for a last slash.
  if (url === null || !/^https?:$/.test(url.protocol) || url.href !== `${url.origin}/`)
    throw invalid(
      'gatewayUrl',
      text,
      'an http or https address without a path, such as "http://trainer.default.svc:4100"',
    );
  if (isOwnAddress(url.hostname) && !isOnHost)
    throw invalid(
      'gatewayUrl',
      text,
      'an address that pods reach: this one is the pod itself (with hostNetwork: true in the template it would be its node)',
    );
  return url;
}

function resolveMemory(memory: string | undefined): string | undefined {
  if (memory === undefined || (typeof memory === 'string' && /^[1-9]\d*(?:\.\d+)?(?:[kMGT]|[KMGT]i)?$/.test(memory)))
    return memory;
  throw invalid(
    'memory',
    memory,
    "a size as Kubernetes writes it, such as '512Mi' or '2Gi' ('512m' is half a byte there)",
  );
}

/** Returns the error for an endpoint that pods do not reach. */
export function unreachable(baseUrl: string): ConfigurationError {
  return check.optionInvalid(
    'runJob: gatewayUrl',
    'undefined',
    `given: the gateway is at ${new URL(baseUrl).origin}, which for a pod is the pod itself. Start the gateway with host: '0.0.0.0', an adminKey and publicUrl, or give gatewayUrl: the address at which pods reach it`,
  );
}
