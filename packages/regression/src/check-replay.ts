import { UserCodeError } from '@agent-lightning/core';
import type { RecordedRollout } from './recording.ts';
import type { ReplayedRollout } from './replay-rollout.ts';

/** What to do where the agent was changed on purpose. */
const remedy =
  'where that is meant, record anew with recordRollouts; parts that change from run to run go into ignore; a reward by a judge asks its model too: give the replay a rollout whose reward is checked by code';

/**
 * Checks that a rollout that was run again is as good as its recording.
 * @param tolerance the fall of the reward that is allowed
 * @throws {UserCodeError} `agent-failed` that says what is worse
 */
export function checkReplay(recorded: RecordedRollout, replayed: ReplayedRollout, tolerance: number): void {
  const { missing, outsideHosts, failure, reward } = replayed;
  const where = `rollout ${recorded.rolloutId}`;
  if (missing.length > 0) throw worse(`${where}: ${missing.join('; ')}; ${remedy}`);
  if (outsideHosts.length > 0)
    throw worse(
      `${where}: model calls went to ${outsideHosts.join(', ')} past the recording, and cost; wrap the agent with withLightning, or give its client context.llm`,
    );
  if (failure !== undefined) throw worse(`${where} fails now, with ${failure.code}: ${failure.message}`);
  if (reward === undefined) throw worse(`${where} has no reward now; recorded was ${recorded.reward}`);
  if (reward < recorded.reward - tolerance)
    throw worse(`${where}: the reward fell from ${recorded.reward} to ${reward}`);
}

/**
 * Checks that the mean reward is that of the recording.
 * @throws {UserCodeError} `agent-failed` when it fell by more than `tolerance`, or a rollout has no reward
 */
export function checkMeanReward(
  recorded: readonly RecordedRollout[],
  replayed: readonly ReplayedRollout[],
  tolerance: number,
): void {
  const rewards = replayed.flatMap(({ reward }) => (reward === undefined ? [] : [reward]));
  if (rewards.length < recorded.length)
    throw worse(`${recorded.length - rewards.length} of ${recorded.length} rollouts have no reward now`);
  const before = mean(recorded.map(({ reward }) => reward));
  const now = mean(rewards);
  if (now < before - tolerance) throw worse(`the mean reward fell from ${before} to ${now}`);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function worse(message: string): UserCodeError {
  return new UserCodeError(message, { code: 'agent-failed' });
}
