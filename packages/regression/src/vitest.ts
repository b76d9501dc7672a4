import { check, type JsonValue } from '@agent-lightning/core';
import { describe, it } from 'vitest';
import { checkReplay, checkMeanReward } from './check-replay.ts';
import { readRecording } from './recording.ts';
import { replayRollout, type ReplayedRollout, type ReplayOptions } from './replay-rollout.ts';

export interface DescribeAgentOptions<Task = JsonValue> extends ReplayOptions<Task> {
  /** The path of a file that `recordRollouts` wrote. */
  readonly recording: string;
  /**
   * The rewards that must not fall: `each`, that of every rollout, or `mean`, their mean, so that one may fall where another rises.
   * @default 'each'
   */
  readonly compare?: 'each' | 'mean';
  /** The fall that is allowed. @default 0 */
  readonly tolerance?: number;
}

/**
 * Defines a test of Vitest for each recorded rollout: it runs the agent again on the recorded answers, at no model cost, and fails when the reward falls,
 * when the agent fails, or when it asks what was never recorded.
 * @throws {ConfigurationError} `option-invalid`
 */
export function describeAgent<Task = JsonValue>(name: string, options: DescribeAgentOptions<Task>): void {
  const { recording, compare = 'each', tolerance = 0, ...replay } = options;
  check.knownOptions('describeAgent', replay, ['rollout', 'ignore', 'attemptTimeoutMs']);
  check.oneOf('describeAgent: compare', compare, ['each', 'mean']);
  check.positive('describeAgent: tolerance', tolerance, { orZero: true });
  const recorded = readRecording(recording);
  const timeoutMs = (replay.attemptTimeoutMs ?? 60_000) + 10_000;
  describe(name, () => {
    // By the rollout's id: Vitest runs a test again where it is asked to.
    const replayed = new Map<string, ReplayedRollout>();
    for (const rollout of recorded) {
      it(`${rollout.rolloutId}: ${shorten(JSON.stringify(rollout.input))}`, { timeout: timeoutMs }, async () => {
        const result = await replayRollout(rollout, replay);
        replayed.set(rollout.rolloutId, result);
        checkReplay(rollout, result, compare === 'each' ? tolerance : Infinity);
      });
    }
    if (compare === 'mean')
      it('has the mean reward of the recording', () => checkMeanReward(recorded, [...replayed.values()], tolerance));
  });
}

/** The most characters of a task that name its test. */
const shownCharacters = 80;

function shorten(text: string): string {
  return text.length <= shownCharacters ? text : `${text.slice(0, shownCharacters - 1)}…`;
}
