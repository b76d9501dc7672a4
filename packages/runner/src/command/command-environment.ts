import { ConfigurationError, type LlmEndpoint } from '@agent-lightning/core';
import { formatTraceParent, type RolloutScope } from '@agent-lightning/tracing';
import type { RolloutContext } from '../rollout-function.ts';
import type { ResolvedCommandOptions } from './command-options.ts';
import { inheritedEnvironment } from './inherited-environment.ts';
import type { Launcher } from './launcher.ts';
import { modelVariables } from './model-variables.ts';

/** The most bytes or characters that one variable may hold on every system that we run on: 128 KiB with its name on Linux, 32 Ki characters on Windows. */
const longestVariable = process.platform === 'win32' ? 32_000 : 130_000;

/**
 * Returns the environment of a command: what it inherits of this process, then the attempt's endpoint and names, then the user's own.
 * Without a policy no variable of a model is set, and the command talks to its own; where a gateway hands its calls on to that, it is sent there.
 * @throws {ConfigurationError} `option-invalid` for a task that is too long for a variable
 */
export function commandEnvironment<Task>(
  options: ResolvedCommandOptions<Task>,
  task: Task,
  context: RolloutContext,
  scope: RolloutScope,
  spanId: string,
): Record<string, string> {
  const endpoint = scope.llm ?? scope.ownEndpoint;
  const inherited = inheritedEnvironment(options.inheritEnv, endpoint !== undefined);
  return attemptEnvironment({ launcher: 'runCommand', options, task, context, scope, spanId, endpoint, inherited });
}

/** Holds what the environment of one attempt's process is made of. */
export interface AttemptEnvironment<Task> {
  readonly launcher: Launcher['name'];
  readonly options: ResolvedCommandOptions<Task>;
  readonly task: Task;
  readonly context: RolloutContext;
  readonly scope: RolloutScope;
  /** The span of the process, below which its model calls come. */
  readonly spanId: string;
  /** The endpoint as the process reaches it; undefined when it asks its own model. */
  readonly endpoint: LlmEndpoint | undefined;
  readonly inherited: Readonly<Record<string, string | undefined>>;
}

/** Returns the environment of an attempt's process, wherever it runs. @throws {ConfigurationError} `option-invalid` for a task that is too long for a variable */
export function attemptEnvironment<Task>(parts: AttemptEnvironment<Task>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(attemptVariables(parts)).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

/** Returns the variables of an attempt's process; undefined is one that it must not have. @throws {ConfigurationError} as `attemptEnvironment` */
export function attemptVariables<Task>(parts: AttemptEnvironment<Task>): Record<string, string | undefined> {
  const { launcher, options, task, context, scope, spanId, endpoint, inherited } = parts;
  const { rollout, attempt, ownEndpoint } = scope;
  const own = typeof options.env === 'function' ? options.env(task, context) : options.env;
  return {
    ...inherited,
    AGENT_LIGHTNING_ROLLOUT_ID: rollout.rolloutId,
    AGENT_LIGHTNING_ATTEMPT_ID: attempt.attemptId,
    AGENT_LIGHTNING_ATTEMPT_NUMBER: String(attempt.attemptNumber),
    AGENT_LIGHTNING_MODE: rollout.mode,
    // What OpenTelemetry reads in a child process; sent as a header it puts model calls below the command's span.
    TRACEPARENT: formatTraceParent(scope.recorder.traceId, spanId),
    ...(endpoint !== undefined && {
      ...modelVariables(endpoint),
      ...withoutProxy(new URL(endpoint.baseUrl).hostname, inherited),
    }),
    // An agent that asks its own model knows which.
    ...(ownEndpoint !== undefined && { AGENT_LIGHTNING_MODEL: undefined }),
    ...(options.taskIn === 'environment' && {
      AGENT_LIGHTNING_TASK: taskVariable(launcher, options.taskForAgent(task)),
    }),
    ...own,
  };
}

/**
 * Excludes the endpoint from the proxy of this machine, which does not lead to it; clients outside of Node, such as Python's, would ask it.
 * Some programs read one of both names and some the other, so each stands in for the other.
 */
function withoutProxy(host: string, inherited: AttemptEnvironment<unknown>['inherited']): Record<string, string> {
  const [upper, lower] = [inherited['NO_PROXY'], inherited['no_proxy']];
  const direct = (before: string | undefined): string => (before ? `${before},${host}` : host);
  return { NO_PROXY: direct(upper || lower), no_proxy: direct(lower || upper) };
}

function taskVariable(launcher: Launcher['name'], task: unknown): string {
  const json = JSON.stringify(task);
  if (Buffer.byteLength(json) <= longestVariable) return json;
  throw new ConfigurationError(
    `${launcher}: the task has ${Buffer.byteLength(json)} bytes as JSON, and a variable of the environment holds ` +
      `${longestVariable}; use taskIn: '${launcher === 'runJob' ? 'file' : 'stdin'}'`,
    { code: 'option-invalid' },
  );
}
