import { buildBatch, type Episode } from '@agent-lightning/core';
import { describe, expect, it } from 'vitest';
import { countSplitCalls } from './split-calls.ts';

interface Call {
  readonly prompt: readonly number[];
  readonly response: readonly number[];
  readonly policy?: string;
}

function toEpisode(calls: readonly Call[], reward: number): Episode {
  return {
    rollout: { rolloutId: `r${reward}`, groupId: 'g', mode: 'train' },
    transitions: calls.map(({ prompt, response, policy = 'policy' }, callIndex) => ({
      callIndex,
      policy,
      policyVersion: 0,
      promptIds: Int32Array.from(prompt),
      responseIds: Int32Array.from(response),
      logprobs: new Float32Array(response.length).fill(-1),
      signals: [],
    })),
    untrainable: [],
    reward,
    rewards: { reward },
  } as unknown as Episode;
}

function countOf(calls: readonly Call[]): ReturnType<typeof countSplitCalls> {
  const episodes = [toEpisode(calls, 0), toEpisode([{ prompt: [1], response: [2] }], 1)];
  const batch = buildBatch(episodes, {
    credit: 'identical',
    estimator: 'grpo',
    samples: 'trajectory',
    tokenWeighting: 'rollout',
  });
  return countSplitCalls(batch, episodes);
}

/** 8 opens the user's message and 9 the reply; 7 ends both. */
const question = [8, 1, 2, 3, 7];

describe('countSplitCalls', () => {
  it('finds none where each call continues the one before, token for token', () => {
    const first = { prompt: [...question, 9], response: [4, 5, 7] };
    const second = { prompt: [...question, 9, 4, 5, 7, 8, 6, 7, 9], response: [4, 7] };
    expect(countOf([first, second])).toEqual({ calls: 0, repeatedTokens: 0 });
  });

  it('counts a call whose prompt has the earlier reply without its thought, and the tokens that it repeats', () => {
    const first = { prompt: [...question, 9], response: [4, 4, 5, 7] };
    const second = { prompt: [...question, 9, 5, 7, 8, 6, 7, 9], response: [5, 7] };
    const third = { prompt: [...question, 9, 5, 7, 8, 6, 7, 9, 5, 8, 6, 7, 9], response: [5, 7] };
    // The third lacks the end of the second reply: it shares the whole second prompt, of 12 tokens.
    expect(countOf([first, second, third])).toEqual({ calls: 2, repeatedTokens: 6 + 12 });
  });

  it('counts it where the template opens a reply with more than it keeps', () => {
    const first = { prompt: [...question, 9, 10, 11], response: [4, 11, 5, 7] };
    const second = { prompt: [...question, 9, 5, 7, 8, 6, 7, 9, 10, 11], response: [5, 7] };
    expect(countOf([first, second])).toEqual({ calls: 1, repeatedTokens: 6 });
  });

  it('counts no call that asks something else, or asks another policy', () => {
    const first = { prompt: [...question, 9], response: [4, 7] };
    expect(countOf([first, { prompt: [8, 1, 2, 6, 6, 6, 6, 6, 7, 9], response: [5, 7] }]).calls).toBe(0);
    expect(countOf([first, first]).calls).toBe(0);
    const longer = { prompt: [...question, 9, 5, 7, 8, 6, 7, 9], response: [5, 7] };
    expect(countOf([first, { ...longer, policy: 'other' }]).calls).toBe(0);
    expect(countOf([first, longer]).calls).toBe(1);
  });
});
