import { TraceError, UserCodeError, rewardAttributes, type RewardValue } from '@agent-lightning/core';
import type { RolloutContext, RolloutResult } from '../rollout-function.ts';
import type { CommandResult, ResolvedCommandOptions } from './command-options.ts';

/** The number of characters at the end of a command's output that an error repeats. */
const quotedCharacters = 1_000;

/** Returns the reward of a command that ended. @throws {UserCodeError} `command-failed` · {TraceError} `reward-missing` | `reward-invalid` */
export function rewardCommand<Task>(
  { command, reward }: Pick<ResolvedCommandOptions<Task>, 'command' | 'reward'>,
  result: CommandResult<Task>,
  context: RolloutContext,
): Promise<RolloutResult> | RolloutResult {
  if (typeof reward === 'function') return reward(result, context);
  if (reward === 'exit-code') return result.exitCode === 0 ? 1 : 0;
  if (result.exitCode !== 0) throw failed(command, result);
  return readRewardLine(command, result.stdout);
}

/** Returns the reward in the last `{"reward": …}` line. @throws {TraceError} `reward-missing` | `reward-invalid` */
export function readRewardLine(command: string, stdout: string): RolloutResult {
  const line = stdout.split('\n').findLast((each) => /^\s*\{.*"reward"\s*:/.test(each));
  if (line === undefined) {
    throw new TraceError(
      `runCommand: ${command} ended without a line such as {"reward": 1} on its standard output; print one as JSON, ` +
        `or give runCommand a reward function. Its last words: ${quote(stdout)}`,
      { code: 'reward-missing' },
    );
  }
  const reward = parse(command, line);
  if (reward === null) return undefined;
  try {
    rewardAttributes(reward as RewardValue);
    return reward as RewardValue;
  } catch (error) {
    throw malformed(command, line, error);
  }
}

function parse(command: string, line: string): unknown {
  try {
    return (JSON.parse(line) as { readonly reward?: unknown }).reward;
  } catch (error) {
    throw malformed(command, line, error);
  }
}

function malformed(command: string, line: string, cause: unknown): TraceError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new TraceError(
    `runCommand: ${command} printed a reward that is not a number, a boolean, named ones or null: ${quote(line)} (${why})`,
    { code: 'reward-invalid', cause },
  );
}

function failed(command: string, { exitCode, signal, stdout, stderr }: CommandResult<unknown>): UserCodeError {
  const how = exitCode === null ? `was ended by ${signal ?? 'a signal'}` : `ended with exit code ${exitCode}`;
  const words = stderr.trim() === '' ? stdout : stderr;
  return new UserCodeError(`runCommand: ${command} ${how}. Its last words: ${quote(words)}`, {
    code: 'command-failed',
  });
}

function quote(text: string): string {
  const trimmed = text.trim();
  return trimmed === '' ? '(nothing)' : trimmed.slice(-quotedCharacters).toWellFormed();
}
