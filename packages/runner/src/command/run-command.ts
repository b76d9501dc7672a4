import { describeValue, requireRollout, randomSpanId } from '@agent-lightning/tracing';
import type { JsonValue } from '@agent-lightning/core';
import type { RolloutContext, RolloutFunction, RolloutResult } from '../rollout-function.ts';
import { hide } from './captured-output.ts';
import { ChildRun } from './child-run.ts';
import { commandEnvironment } from './command-environment.ts';
import {
  checkArguments,
  resolveCommandOptions,
  type ResolvedCommandOptions,
  type RunCommandOptions,
} from './command-options.ts';
import { rewardCommand } from './command-reward.ts';
import type { Launcher } from './launcher.ts';
import { answerTo, startSpan, supervise } from './supervise.ts';

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
  const args =
    typeof options.args === 'function' ? checkArguments('runCommand', options.args(task, context)) : options.args;
  const secret = (scope.llm ?? scope.ownEndpoint)?.apiKey;
  await answerTo('runCommand', options.answersTo, scope);
  const spanId = randomSpanId();
  const env = commandEnvironment(options, task, context, scope, spanId);
  const span = startSpan(scope, spanId, hide(options.command, secret), hide(describeValue(args), secret));
  const launcher: Launcher = { name: 'runCommand', subject: options.command };
  const { command, cwd, timeoutMs, killGraceMs, maxOutputBytes } = options;
  const input = options.taskIn === 'stdin' ? `${JSON.stringify(options.taskForAgent(task))}\n` : '';
  const output = await supervise(span, context.signal, () => {
    return new ChildRun({ launcher, command, args, env, cwd, input, timeoutMs, killGraceMs, maxOutputBytes, secret });
  });
  return await rewardCommand(launcher, options, { task, ...output }, context);
}
