import { randomBytes } from 'node:crypto';
import type { JsonValue } from '@agent-lightning/core';
import { systemClock, type Clock } from '@agent-lightning/platform';
import { describeValue, randomSpanId, requireRollout, type RolloutScope } from '@agent-lightning/tracing';
import { hide } from '../command/captured-output.ts';
import type { ChildOutput } from '../command/child-run.ts';
import { attemptVariables } from '../command/command-environment.ts';
import { checkArguments } from '../command/command-options.ts';
import { rewardCommand } from '../command/command-reward.ts';
import type { Launcher } from '../command/launcher.ts';
import { answerTo, startSpan, supervise } from '../command/supervise.ts';
import type { RolloutContext, RolloutFunction, RolloutResult } from '../rollout-function.ts';
import { ClusterClient } from './cluster/cluster-client.ts';
import { findCluster } from './cluster/find-cluster.ts';
import { ClusterObjects } from './cluster-objects.ts';
import { jobEndpoint } from './job-endpoint.ts';
import { createJob, createSecret, toLabel, type Secret } from './job-manifest.ts';
import { resolveJobOptions, type ResolvedJobOptions, type RunJobOptions } from './job-options.ts';
import { JobOwner } from './job-owner.ts';
import { JobRun } from './job-run.ts';
import { JobWatch } from './job-watch.ts';
import type { Job } from './kubernetes-types.ts';

/**
 * Returns a rollout function that runs each attempt as a Kubernetes Job of its own, made of a template.
 *
 * The agent's container gets the attempt's endpoint, names and task as a command of `runCommand` does (the task by a variable or a file, since a
 * Job has no standard input), from a Secret of the attempt, and gives its reward in the same ways; its log holds both outputs in one, which is what
 * `stdout` is. The Job is deleted with the end of its attempt. What processes that are gone have left is deleted by the next one.
 *
 * The function rejects with the errors of `runCommand`; ConfigurationError `command-unavailable` when the cluster cannot be asked, refuses, or does
 * not start the container, or takes the pod away.
 * @throws {ConfigurationError} `option-invalid`
 */
export function runJob<Task = JsonValue>(options: RunJobOptions<Task>): RolloutFunction<Task> {
  return createJobFunction(resolveJobOptions(options), systemClock);
}

/** Returns the rollout function of resolved options, whose waits a clock measures. */
export function createJobFunction<Task>(options: ResolvedJobOptions<Task>, clock: Clock): RolloutFunction<Task> {
  const jobs = new Jobs(options, clock);
  return (task, context) => jobs.run(task, context);
}

/** The parts that all Jobs of one `runJob` share. */
interface Cluster {
  readonly objects: ClusterObjects;
  readonly owner: JobOwner;
  readonly watch: JobWatch;
}

/** Runs the Jobs of one `runJob`. */
class Jobs<Task> {
  readonly #options: ResolvedJobOptions<Task>;
  readonly #clock: Clock;
  #cluster: Promise<Cluster> | undefined;

  constructor(options: ResolvedJobOptions<Task>, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  async run(task: Task, context: RolloutContext): Promise<RolloutResult> {
    const scope = requireRollout('runJob');
    const { shared, template } = this.#options;
    const name = `${template.prefix}-${randomBytes(8).toString('hex')}`;
    const launcher: Launcher = { name: 'runJob', subject: `the Job ${name} (${template.image})` };
    await answerTo('runJob', shared.answersTo, scope);
    const output = await this.#runOne(scope, task, context, launcher, name);
    return await rewardCommand(launcher, shared, { task, ...output }, context);
  }

  async #runOne(
    scope: RolloutScope,
    task: Task,
    context: RolloutContext,
    { subject }: Launcher,
    name: string,
  ): Promise<ChildOutput> {
    const { template, shared, startTimeoutMs } = this.#options;
    const { rollout, attempt, signal } = context;
    const { timeoutMs, maxOutputBytes } = shared;
    const spanId = randomSpanId();
    const args = checkArguments('runJob', typeof shared.args === 'function' ? shared.args(task, context) : shared.args);
    const agent = {
      name,
      variables: this.#variables(scope, task, context, spanId),
      taskFile: this.#options.taskIn === 'file' ? JSON.stringify(shared.taskForAgent(task)) : undefined,
      args: this.#options.hasArgs ? args : undefined,
    };
    const secret = (scope.llm ?? scope.ownEndpoint)?.apiKey;
    const cluster = await this.#findCluster();
    const create = (ownerReference: object): { readonly job: Job; readonly secret: Secret } => {
      const { namespace } = cluster.objects;
      const facts = { ...agent, namespace, owner: cluster.owner.id, ownerReference };
      return { job: createJob(this.#options, facts, context), secret: createSecret(facts, context) };
    };
    const span = startSpan(scope, spanId, hide(template.image, secret), hide(describeValue(args), secret));
    const container = template.manifest.spec.template.spec.containers[template.agent]!.name;
    const earlier = attempt.attemptNumber > 1 ? toLabel(rollout.rolloutId) : undefined;
    const limits = { startTimeoutMs, timeoutMs, maxOutputBytes };
    return await supervise(
      span,
      signal,
      () => new JobRun({ ...cluster, name, subject, container, create, earlier, secret, ...limits }),
    );
  }

  #variables(
    scope: RolloutScope,
    task: Task,
    context: RolloutContext,
    spanId: string,
  ): Readonly<Record<string, string | undefined>> {
    const { inheritEnv, shared } = this.#options;
    const own = scope.llm ?? scope.ownEndpoint;
    const endpoint = own === undefined ? undefined : jobEndpoint(own, this.#options);
    const inherited = Object.fromEntries(
      inheritEnv.filter((name) => process.env[name] !== undefined).map((name) => [name, process.env[name]]),
    );
    return attemptVariables({ launcher: 'runJob', options: shared, task, context, scope, spanId, endpoint, inherited });
  }

  /** Finds the cluster at the first attempt, and at the next one again when that failed. */
  #findCluster(): Promise<Cluster> {
    this.#cluster ??= this.#connect().catch((error: unknown) => {
      this.#cluster = undefined;
      throw error;
    });
    return this.#cluster;
  }

  async #connect(): Promise<Cluster> {
    const { template, namespace, pollMs } = this.#options;
    const access = await findCluster(this.#options);
    const inTemplate = template.manifest.metadata?.namespace;
    const objects = new ClusterObjects(
      new ClusterClient(access, this.#clock),
      namespace ?? inTemplate ?? access.namespace ?? 'default',
    );
    const owner = new JobOwner(objects, this.#clock);
    const container = template.manifest.spec.template.spec.containers[template.agent]!.name;
    return { objects, owner, watch: new JobWatch(objects, owner, container, pollMs, this.#clock) };
  }
}
