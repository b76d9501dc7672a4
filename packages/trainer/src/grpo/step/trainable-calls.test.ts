import type { Episode, Rollout, Transition } from '@agent-lightning/core';
import { describe, expect, it } from 'vitest';
import { countStaleCalls, withinLimits } from './trainable-calls.ts';

const callOf = (callIndex: number, tokens: number, policyVersion: number, reward?: number): Transition =>
  ({
    callIndex,
    spanId: `span-${callIndex}`,
    agentName: 'writer',
    policy: 'policy',
    policyVersion,
    promptIds: new Int32Array(tokens - 1),
    responseIds: new Int32Array(1),
    reward,
  }) as unknown as Transition;
const episodeOf = (...transitions: readonly Transition[]): Episode => ({
  rollout: { rolloutId: 'r' } as Rollout,
  transitions,
  untrainable: [],
  reward: 1,
  rewards: {},
});
const limits = { maxSampleTokens: 10, versions: { policy: 5 }, maxStaleness: 2, truncated: 'train' as const };

describe('withinLimits', () => {
  it('keeps calls up to the limits, those at them included', () => {
    const episode = episodeOf(callOf(0, 10, 3), callOf(1, 2, 5));
    expect(withinLimits(episode, limits)).toBe(episode);
  });

  it('sets calls beyond them aside, by name, and counts the rest anew', () => {
    const checked = withinLimits(episodeOf(callOf(0, 11, 5), callOf(1, 2, 2), callOf(2, 2, 4)), limits);
    expect(checked.transitions.map(({ spanId, callIndex }) => [spanId, callIndex])).toEqual([['span-2', 0]]);
    expect(checked.untrainable.map(({ spanId, reason }) => [spanId, reason])).toEqual([
      ['span-0', 'the call has 11 tokens, and the backend trains samples of at most 10'],
      ['span-1', expect.stringMatching(/^too old: version 2 of "policy" answered, and version 5 is trained/)],
    ]);
    expect(countStaleCalls([checked])).toBe(1);
    expect(checked.untrainedReward).toBeUndefined();
  });

  it('leaves out what the token limit cut off, where it is told to', () => {
    const episode = episodeOf(callOf(0, 4, 5), { ...callOf(1, 4, 5, -1), finishReason: 'length' });
    expect(withinLimits(episode, limits)).toBe(episode);
    expect(withinLimits(episode, { ...limits, truncated: 'leave-out' })).toMatchObject({
      transitions: [{ spanId: 'span-0' }],
      untrainable: [{ spanId: 'span-1', reason: expect.stringMatching(/^the token limit cut the response off/) }],
      untrainedReward: -1,
    });
  });

  it('sets calls of another temperature aside where the backend scores at 1 only', () => {
    const warm = { ...callOf(0, 5, 5), temperature: 0.7 };
    const episode = episodeOf(warm, { ...callOf(1, 5, 5), temperature: 1 }, callOf(2, 5, 5));
    expect(withinLimits(episode, { ...limits, hasTemperature: true })).toBe(episode);
    const { transitions, untrainable } = withinLimits(episode, limits);
    expect(transitions.map(({ spanId }) => spanId)).toEqual(['span-1', 'span-2']);
    expect(untrainable).toMatchObject([
      {
        spanId: 'span-0',
        reason: 'the call was sampled at temperature 0.7, and the backend scores at temperature 1 only',
      },
    ]);
  });

  it('leaves the rollout what such a call earned, so that no limit makes a bad call cheaper', () => {
    const episode = {
      ...episodeOf(callOf(0, 11, 5, -0.5), callOf(1, 2, 5, 1), callOf(2, 2, 2)),
      untrainedReward: 0.25,
    };
    expect(withinLimits(episode, limits)).toMatchObject({ untrainedReward: -0.25, transitions: [{ reward: 1 }] });
  });
});
