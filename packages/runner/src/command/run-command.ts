import {
  activeSpan,
  describeValue,
  errorOutcome,
  requireRollout,
  type RolloutScope,
  type OpenSpan,
  randomSpanId,
} from '@agent-lightning/tracing';
import { attributeNames, ConfigurationError, type JsonValue, type Attributes } from '@agent-lightning/core';
import type { RolloutContext, RolloutFunction, RolloutResult } from '../rollout-function.ts';
import { hide } from './captured-output.ts';
import { ChildRun, type ChildOutput } from './child-run.ts';
import { commandEnvironment } from './command-environment.ts';
import {
  checkArguments,
  resolveCommandOptions,
  type ResolvedCommandOptions,
  type RunCommandOptions,
} from './command-options.ts';
import { rewardCommand } from './command-reward.ts';

/**
 * Returns a rollout function that runs an agent as a command, in any language.
 *
 * The command gets its task as JSON, the attempt's endpoint as `OPENAI_BASE_URL`, `OPENAI_API_KEY`, `ANTHROPIC_BASE_URL` and
 * `ANTHROPIC_API_KEY` (and by other names that clients read), and `AGENT_LIGHTNING_MODEL`, `_ROLLOUT_ID`, `_ATTEMPT_ID`, `_ATTEMPT_NUMBER`, `_MODE` (`train` | `val` | `test`) and
 * `TRACEPARENT`. What it prints becomes a span. When the attempt ends, so does the whole process group; nothing of it outlives this process. A process that leaves the group
 * (`setsid`) is on its own, and so is everything on Windows when this process is killed.
 *
 * The function rejects with ConfigurationError `command-unavailable` (not found, not executable, no such directory), UserCodeError
 * `command-failed` (exit code), TraceError `reward-missing` | `reward-invalid`, and TimeoutError `timed-out`.
 * @throws {ConfigurationError} `option-invalid`
 */
export function runCommand<Task = JsonValue>(options: RunCommandOptions<Task>): RolloutFunction<Task> {
  const resolved = resolveCommandOptions(options);
  return (task, context) => runOnce(resolved, task, context);
}

async function runOnce<Task>(
  options: ResolvedCommandOptions<Task>,
  task: Task,
  context: RolloutContext,
): Promise<RolloutResult> {
  const scope = requireRollout('runCommand');
  const args = typeof options.args === 'function' ? checkArguments(options.args(task, context)) : options.args;
  const secret = (scope.llm ?? scope.ownEndpoint)?.apiKey;
  await answerTo(options, scope);
  const spanId = randomSpanId();
  const env = commandEnvironment(options, task, context, scope, spanId);
  const span = startSpan(scope, spanId, hide(options.command, secret), hide(describeValue(args), secret));
  const { command, cwd, timeoutMs, killGraceMs, maxOutputBytes } = options;
  const input = options.taskIn === 'stdin' ? `${JSON.stringify(options.taskForAgent(task))}\n` : '';
  const output = await supervise(span, context.signal, () => {
    return new ChildRun({ command, args, env, cwd, input, timeoutMs, killGraceMs, maxOutputBytes, secret });
  });
  return await rewardCommand(options, { task, ...output }, context);
}

/** Lets the policy answer to the names that the command's agents have in their code. @throws {ConfigurationError} `option-unsupported` */
async function answerTo<Task>({ answersTo }: ResolvedCommandOptions<Task>, scope: RolloutScope): Promise<void> {
  if (answersTo === undefined || scope.llm === undefined) return;
  if (scope.answerTo === undefined)
    throw new ConfigurationError(
      'runCommand: answersTo needs a gateway that answers an attempt by further names, and the given one has no answerTo(); give answersTo to the gateway itself',
      { code: 'option-unsupported' },
    );
  await scope.answerTo(answersTo);
}

function startSpan(scope: RolloutScope, spanId: string, command: string, args: string): OpenSpan {
  const parentSpanId = activeSpan(scope)?.spanId;
  return scope.recorder.start({
    kind: 'operation',
    name: command,
    spanId,
    ...(parentSpanId !== undefined && { parentSpanId }),
    attributes: {
      [attributeNames.operationLabel]: command,
      [attributeNames.operationInput]: args,
    },
  });
}

/** Runs the command under the attempt's signal, and writes its span, however it ends. */
async function supervise(span: OpenSpan, signal: AbortSignal, start: () => ChildRun): Promise<ChildOutput> {
  let child: ChildRun | undefined;
  let isSpanOpen = true;
  const endSpan = (error?: unknown): void => {
    if (!isSpanOpen) return;
    isSpanOpen = false;
    const output = child === undefined ? {} : outputAttributes(child.output);
    if (error === undefined) return span.end({ attributes: output });
    const { status, attributes } = errorOutcome(error);
    span.end({ status, attributes: { ...attributes, ...output } });
  };
  // At once, for the attempt closes its trace as soon as its signal has aborted.
  const onAbort = (): void => {
    endSpan(signal.reason);
    child?.stop(signal.reason);
  };
  try {
    signal.throwIfAborted();
    child = start();
    signal.addEventListener('abort', onAbort, { once: true });
    const output = await child.ended();
    endSpan();
    return output;
  } catch (error) {
    endSpan(error);
    throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function outputAttributes({ stdout, stderr, exitCode, signal }: ChildOutput): Attributes {
  return {
    [attributeNames.commandStdout]: stdout,
    [attributeNames.commandStderr]: stderr,
    ...(exitCode !== null && { [attributeNames.commandExitCode]: exitCode }),
    ...(signal !== null && { [attributeNames.commandSignal]: signal }),
  };
}
