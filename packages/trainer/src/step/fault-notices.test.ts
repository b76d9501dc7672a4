import type { Episode, Rollout } from '@agent-lightning/core';
import { expect, it } from 'vitest';
import { FaultNotices } from './fault-notices.ts';

const episodeOf = (rolloutId: string, reason: string): Episode => ({
  rollout: { rolloutId } as Rollout,
  transitions: [],
  untrainable: [{ spanId: 's', agentName: '', reason }],
  reward: 1,
  rewards: {},
});

it('tells a kind of fault once in a run, whatever numbers are in it', () => {
  const notices = new FaultNotices();
  const [long, longer, other] = [
    'the call has 5000 tokens, and the backend trains rows of at most 4096',
    'the call has 5123 tokens, and the backend trains rows of at most 4096',
    'the engine reported no tokens',
  ];
  expect(notices.of(1, [], [episodeOf('a', long), episodeOf('b', longer)], [])).toEqual([
    `step 1: 2 model calls are not trained on: ${long} (such as in rollout a)`,
  ]);
  expect(notices.of(2, [], [episodeOf('c', longer), episodeOf('d', other)], [])).toEqual([
    `step 2: 1 model calls are not trained on: ${other} (such as in rollout d)`,
  ]);
});
