import fc from 'fast-check';
import type { Episode, Rollout, Transition } from '../../src/index.ts';

export interface CallShape {
  readonly prompt: readonly number[];
  readonly response: readonly number[];
  readonly logprobs?: readonly number[];
  readonly policy?: string;
  readonly policyVersion?: number;
  readonly temperature?: number;
  readonly reward?: number;
  readonly signals?: Transition['signals'];
}

export function rolloutOf(rolloutId: string, changes: Partial<Rollout> = {}): Rollout {
  return {
    rolloutId, input: null, mode: 'train', status: 'succeeded', queue: 'default', priority: 0,
    retry: { maxAttempts: 1, retryOn: [], backoffMs: 0, maxBackoffMs: 0 }, timeouts: {}, metadata: {}, attemptCount: 1,
    createdAtMs: 0, availableAtMs: 0, ...changes,
  };
}

export function episodeOf(rolloutId: string, groupId: string, reward: number | undefined, calls: readonly CallShape[], changes: Partial<Rollout> = {}): Episode {
  return {
    rollout: rolloutOf(rolloutId, { groupId, ...changes }),
    transitions: calls.map((call, callIndex) => transitionOf(rolloutId, callIndex, call)),
    untrainable: [], reward, rewards: reward === undefined ? {} : { primary: reward },
  };
}

function transitionOf(rolloutId: string, callIndex: number, call: CallShape): Transition {
  return {
    rolloutId, attemptId: `${rolloutId}-1`, spanId: `${callIndex}`, sequenceId: callIndex + 1, callIndex, agentName: 'agent',
    policy: call.policy ?? 'main', policyVersion: call.policyVersion ?? 1,
    promptIds: Int32Array.from(call.prompt), responseIds: Int32Array.from(call.response),
    logprobs: Float32Array.from(call.logprobs ?? call.response.map(() => -1)),
    ...(call.temperature !== undefined && { temperature: call.temperature }), finishReason: 'stop', reward: call.reward, signals: call.signals ?? [],
  };
}

/** Rewards without rounding trouble, so that equal means equal. */
export const arbitraryReward: fc.Arbitrary<number> = fc.integer({ min: -8, max: 8 }).map((eighths) => eighths / 8);

const arbitraryTokens = (minLength: number): fc.Arbitrary<number[]> => fc.array(fc.integer({ min: 0, max: 2 }), { minLength, maxLength: 5 });

/** How the next call continues an earlier one: by which, with which observation; fresh ones start a conversation of their own. */
const arbitraryStep = fc.record({
  fresh: fc.boolean(), of: fc.nat(), observation: arbitraryTokens(0), opening: arbitraryTokens(1), response: arbitraryTokens(1),
  policy: fc.constantFrom('main', 'main', 'main', 'other'), policyVersion: fc.integer({ min: 0, max: 2 }), temperature: fc.constantFrom(undefined, undefined, 1, 1, 0.7), reward: fc.option(arbitraryReward, { nil: undefined }),
});

/** Calls that continue earlier calls at random, over three token ids, so that branches, copies and accidental prefixes all happen. */
export const arbitraryCalls: fc.Arbitrary<CallShape[]> = fc.array(arbitraryStep, { minLength: 1, maxLength: 7 }).map((steps) => {
  const calls: CallShape[] = [];
  for (const step of steps) {
    const earlier = step.fresh ? undefined : calls[step.of % Math.max(calls.length, 1)];
    const prompt = earlier === undefined ? step.opening : [...earlier.prompt, ...earlier.response, ...step.observation];
    const logprobs = step.response.map((token, index) => -(token + 1) / (index + 2));
    calls.push({ prompt, response: step.response, logprobs, policy: step.policy, policyVersion: step.policyVersion, ...(step.temperature !== undefined && { temperature: step.temperature }), ...(step.reward !== undefined && { reward: step.reward }) });
  }
  return calls;
});

/** Rollouts of one to four groups of one to four, with and without rewards. */
export const arbitraryEpisodes: fc.Arbitrary<Episode[]> = fc
  .array(fc.record({ group: fc.integer({ min: 0, max: 3 }), reward: fc.option(arbitraryReward, { nil: undefined, freq: 8 }), calls: arbitraryCalls }), { minLength: 1, maxLength: 10 })
  .map((shapes) => shapes.map(({ group, reward, calls }, index) => episodeOf(`rollout-${index}`, `group-${group}`, reward, calls)));
