import { ConfigurationError, type JsonValue } from '@agent-lightning/core';
import { describeValue, randomSpanId, requireRollout, type RolloutScope } from '@agent-lightning/tracing';
import { hide } from '../command/captured-output.ts';
import { ChildRun, type ChildOutput } from '../command/child-run.ts';
import { attemptEnvironment } from '../command/command-environment.ts';
import { checkArguments } from '../command/command-options.ts';
import { rewardCommand } from '../command/command-reward.ts';
import { inheritedEnvironment } from '../command/inherited-environment.ts';
import type { Launcher } from '../command/launcher.ts';
import { answerTo, startSpan, supervise } from '../command/supervise.ts';
import type { RolloutContext, RolloutFunction, RolloutResult } from '../rollout-function.ts';
import { containerArguments, engineEnvironment } from './container-arguments.ts';
import { containerEndpoint, type EngineKind } from './container-endpoint.ts';
import { ContainerEngine, spaceLabel } from './container-engine.ts';
import { findStartFault } from './start-fault.ts';
import {
  resolveContainerOptions,
  type ResolvedContainerOptions,
  type RunContainerOptions,
} from './container-options.ts';
import { ownedName, thisOwner, type ProcessOwner } from '../process-owner.ts';

/**
 * Returns a rollout function that runs each attempt in a container of its own, by Docker or Podman.
 *
 * The container gets its task, the attempt's endpoint and names as a command of `runCommand` does, and gives its reward in the same ways. It
 * has no capabilities and cannot gain any, and is removed with the end of its attempt. The first attempt of a process removes what processes of this machine
 * that are gone have left.
 *
 * The function rejects with the errors of `runCommand`; ConfigurationError `command-unavailable` when the engine cannot be asked or cannot
 * start the image.
 * @throws {ConfigurationError} `option-invalid`
 */
export function runContainer<Task = JsonValue>(options: RunContainerOptions<Task>): RolloutFunction<Task> {
  const containers = new Containers(resolveContainerOptions(options));
  return (task, context) => containers.run(task, context);
}

/** Runs the containers of one `runContainer`. */
class Containers<Task> {
  readonly #options: ResolvedContainerOptions<Task>;
  readonly #launcher: Launcher;
  readonly #owner: ProcessOwner = thisOwner();
  readonly #engineEnv = engineEnvironment(inheritedEnvironment([], true));
  readonly #engine: ContainerEngine;
  #prepared: Promise<EngineKind> | undefined;

  constructor(options: ResolvedContainerOptions<Task>) {
    this.#options = options;
    this.#launcher = { name: 'runContainer', subject: options.image };
    this.#engine = new ContainerEngine(options.engine, this.#engineEnv);
  }

  async run(task: Task, context: RolloutContext): Promise<RolloutResult> {
    const scope = requireRollout('runContainer');
    const { shared } = this.#options;
    const kind = await this.#prepareOnce();
    await answerTo('runContainer', shared.answersTo, scope);
    const args = typeof shared.args === 'function' ? shared.args(task, context) : shared.args;
    const output = await this.#runOne(kind, scope, task, context, checkArguments('runContainer', args));
    this.#checkStart(output);
    return await rewardCommand(this.#launcher, shared, { task, ...output }, context);
  }

  async #runOne(
    engine: EngineKind,
    scope: RolloutScope,
    task: Task,
    context: RolloutContext,
    args: readonly string[],
  ): Promise<ChildOutput> {
    const { image, shared } = this.#options;
    const name = ownedName(this.#owner);
    const spanId = randomSpanId();
    const start = containerArguments(this.#options, {
      engine,
      name,
      labels: this.#labels(context),
      env: this.#environment(engine, scope, task, context, spanId),
      engineEnv: this.#engineEnv,
      args,
    });
    const secret = (scope.llm ?? scope.ownEndpoint)?.apiKey;
    const { command, timeoutMs, killGraceMs, maxOutputBytes } = shared;
    const input = shared.taskIn === 'stdin' ? `${JSON.stringify(shared.taskForAgent(task))}\n` : '';
    const span = startSpan(scope, spanId, hide(image, secret), hide(describeValue(args), secret));
    try {
      return await supervise(span, context.signal, () => {
        const limits = { timeoutMs, killGraceMs, maxOutputBytes };
        return new ChildRun({ launcher: this.#launcher, command, cwd: undefined, input, secret, ...start, ...limits });
      });
    } catch (error) {
      // A `docker run` that was killed leaves its container. The error of the attempt says more than one of the removal would.
      await this.#engine.remove(name).catch(() => undefined);
      throw error;
    }
  }

  #labels({ rollout, attempt }: RolloutContext): Record<string, string> {
    return {
      [spaceLabel]: this.#owner.space,
      ...(rollout.runId !== undefined && { 'agent-lightning.run': rollout.runId }),
      'agent-lightning.rollout': rollout.rolloutId,
      'agent-lightning.attempt': attempt.attemptId,
    };
  }

  #environment(
    engine: EngineKind,
    scope: RolloutScope,
    task: Task,
    context: RolloutContext,
    spanId: string,
  ): Record<string, string> {
    const { network, inheritEnv, shared } = this.#options;
    const own = scope.llm ?? scope.ownEndpoint;
    const endpoint = own === undefined ? undefined : containerEndpoint(own, network, engine);
    const inherited = Object.fromEntries(inheritEnv.map((name) => [name, process.env[name]]));
    return attemptEnvironment({
      launcher: 'runContainer',
      options: shared,
      task,
      context,
      scope,
      spanId,
      endpoint,
      inherited,
    });
  }

  /** Sweeps before the first container, and tells what the engine is; tries again when it did not answer. */
  #prepareOnce(): Promise<EngineKind> {
    this.#prepared ??= this.#prepare().catch((error: unknown) => {
      this.#prepared = undefined;
      throw error;
    });
    return this.#prepared;
  }

  async #prepare(): Promise<EngineKind> {
    const [kind] = await Promise.all([this.#engine.kind(), this.#engine.sweep(this.#owner)]);
    return kind;
  }

  /** @throws {ConfigurationError} `command-unavailable` when the engine, not the agent, gave the exit code */
  #checkStart({ exitCode, stderr }: ChildOutput): void {
    const why = findStartFault(exitCode, stderr);
    if (why === undefined) return;
    const { engine, image } = this.#options;
    throw new ConfigurationError(
      `runContainer: ${engine} could not start the image ${image}: ${why.slice(0, 1_000)}; check the image, args and engineArgs`,
      { code: 'command-unavailable' },
    );
  }
}
