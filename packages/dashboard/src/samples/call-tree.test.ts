import type { Episode, Transition } from '@agent-lightning/core';
import { expect, it } from 'vitest';
import { buildStructure, findParting, toTree } from './call-tree.ts';

function call(callIndex: number, prompt: readonly number[], response: readonly number[], policy = 'p'): Transition {
  return {
    rolloutId: 'r',
    attemptId: 'a',
    spanId: `s${callIndex}`,
    sequenceId: callIndex,
    callIndex,
    agentName: callIndex === 2 ? 'critic' : 'writer',
    policy,
    policyVersion: 3,
    promptIds: Int32Array.from(prompt),
    responseIds: Int32Array.from(response),
    logprobs: new Float32Array(response.length).fill(-1),
    finishReason: 'stop',
    reward: undefined,
    signals: [],
  };
}

// Calls 1 and 3 continue call 0, of which 3 continues 1, too; call 2 leaves call 0 within its response; call 4 continues it by another policy.
const calls = [
  call(0, [1, 2], [3, 4]),
  call(1, [1, 2, 3, 4, 5], [6]),
  call(2, [1, 2, 3, 9], [7, 7]),
  call(3, [1, 2, 3, 4, 5, 6, 8], [9]),
  call(4, [1, 2, 3, 4], [5], 'q'),
];
const episode: Episode = {
  rollout: { rolloutId: 'r', mode: 'train' } as Episode['rollout'],
  transitions: calls,
  untrainable: [],
  reward: 1,
  rewards: {},
};
const textsOf = (tokens: ArrayLike<number>): readonly string[] => Array.from(tokens, (token) => `${token} `);

it('places each call below the one that it continues, and says in which sample it is trained', () => {
  const { calls: rows, samples } = toTree(episode, buildStructure(episode, 'trajectory'), textsOf);
  expect(rows.map(({ index, parent, depth, sample }) => [index, parent, depth, sample])).toEqual([
    [0, undefined, 0, 1],
    [1, 0, 1, 1],
    [2, undefined, 0, 0],
    [3, 1, 2, 1],
    [4, undefined, 0, 2],
  ]);
  expect(samples.map((sample) => [sample.calls, sample.trainedTokens, sample.tokens])).toEqual([
    [[2], 2, 6],
    [[0, 1, 3], 4, 8],
    [[4], 1, 5],
  ]);
  expect(rows[0]!.answer).toBe('3 4 ');
});

it('says where a branch parts from the earlier call that it shares the most with', () => {
  expect(findParting(calls, 0, textsOf)).toBeUndefined();
  expect(findParting(calls, 2, textsOf)).toEqual({ call: 1, shared: 3, of: 6, before: '4 5 6 ', after: '9 ' });
  expect(findParting(calls, 2, undefined)).toEqual({ call: 1, shared: 3, of: 6 });
  // Token for token it continues call 0, and the policy is another one.
  expect(findParting(calls, 4, textsOf)).toMatchObject({ shared: 4, of: 4, because: 'policy', call: 0 });
});

it('makes each call a sample of its own by the other layout', () => {
  const { calls: rows, samples } = toTree(episode, buildStructure(episode, 'transition'), undefined);
  expect(samples).toHaveLength(5);
  expect(rows.every(({ parent, answer }) => parent === undefined && answer === undefined)).toBe(true);
});
