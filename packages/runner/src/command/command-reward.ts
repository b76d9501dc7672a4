import { TraceError, UserCodeError, rewardAttributes, type RewardValue } from '@agent-lightning/core';
import type { RolloutContext, RolloutResult } from '../rollout-function.ts';
import type { Launcher } from './launcher.ts';
import type { CommandResult, ResolvedCommandOptions } from './command-options.ts';

/** The number of characters at the end of a command's output that an error repeats. */
const quotedCharacters = 1_000;

/** Returns the reward of a command that ended. @throws {UserCodeError} `command-failed` · {TraceError} `reward-missing` | `reward-invalid` */
export function rewardCommand<Task>(
  launcher: Launcher,
  { reward }: Pick<ResolvedCommandOptions<Task>, 'reward'>,
  result: CommandResult<Task>,
  context: RolloutContext,
): Promise<RolloutResult> | RolloutResult {
  if (typeof reward === 'function') return reward(result, context);
  if (reward === 'exit-code') return result.exitCode === 0 ? 1 : 0;
  if (result.exitCode !== 0) throw failed(launcher, result);
  return readRewardLine(launcher, result.stdout);
}

/** Returns the reward in the last `{"reward": …}` line. @throws {TraceError} `reward-missing` | `reward-invalid` */
export function readRewardLine(launcher: Launcher, stdout: string): RolloutResult {
  const line = stdout.split('\n').findLast((each) => /^\s*\{.*"reward"\s*:/.test(each));
  if (line === undefined) {
    throw new TraceError(
      `${launcher.name}: ${launcher.subject} ended without a line such as {"reward": 1} on its standard output; print one as JSON, ` +
        `or give ${launcher.name} a reward function. Its last words: ${quote(stdout)}`,
      { code: 'reward-missing' },
    );
  }
  const reward = parse(launcher, line);
  if (reward === null) return undefined;
  try {
    rewardAttributes(reward as RewardValue);
    return reward as RewardValue;
  } catch (error) {
    throw malformed(launcher, line, error);
  }
}

function parse(launcher: Launcher, line: string): unknown {
  try {
    return (JSON.parse(line) as { readonly reward?: unknown }).reward;
  } catch (error) {
    throw malformed(launcher, line, error);
  }
}

function malformed(launcher: Launcher, line: string, cause: unknown): TraceError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new TraceError(
    `${launcher.name}: ${launcher.subject} printed a reward that is not a number, a boolean, named ones or null: ${quote(line)} (${why})`,
    { code: 'reward-invalid', cause },
  );
}

function failed(
  launcher: Launcher,
  { exitCode, signal, stdout, stderr, endedBy }: CommandResult<unknown>,
): UserCodeError {
  const by = endedBy === undefined ? '' : ` (${endedBy})`;
  const how = exitCode === null ? `was ended by ${signal ?? 'a signal'}` : `ended with exit code ${exitCode}${by}`;
  const words = stderr.trim() === '' ? stdout : stderr;
  return new UserCodeError(`${launcher.name}: ${launcher.subject} ${how}. Its last words: ${quote(words)}`, {
    code: 'command-failed',
  });
}

function quote(text: string): string {
  const trimmed = text.trim();
  return trimmed === '' ? '(nothing)' : trimmed.slice(-quotedCharacters).toWellFormed();
}
