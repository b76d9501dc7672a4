import type { Episode, Rollout } from '@agent-lightning/core';
import { expect, it } from 'vitest';
import { FailureScoring } from '../failures/failure-scoring.ts';
import { summariseRewards } from './reward-summary.ts';

function episodeOf(status: Rollout['status'], reward: number | undefined): Episode {
  return { rollout: { status } as Rollout, transitions: [], untrainable: [], reward, rewards: {} };
}

it('counts failures in the mean, and tells the range of what was earned apart', () => {
  const scoring = new FailureScoring({ failureReward: -10 });
  const episodes = scoring.score([
    episodeOf('failed', undefined),
    episodeOf('succeeded', 0),
    episodeOf('succeeded', 1),
    episodeOf('succeeded', undefined),
  ]);
  const summary = { mean: -3, lowest: -10, highest: 1, earned: [0, 1], count: 3 };
  expect(summariseRewards(episodes, undefined)).toMatchObject(summary);
  expect(summariseRewards(episodes.slice(0, 1), undefined)).not.toHaveProperty('earned');
});
