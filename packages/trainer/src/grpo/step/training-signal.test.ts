import type { Episode, LightningBatch, Rollout } from '@agent-lightning/core';
import type { RolloutStatus } from '@agent-lightning/store';
import { expect, it } from 'vitest';
import { diagnoseSignal } from './training-signal.ts';

const nothing = { samples: [], dropped: { zeroVarianceGroups: [], singletonGroups: [] } } as unknown as LightningBatch;
const away: Episode['untrainable'][number] = {
  spanId: 's',
  agentName: '',
  reason: 'failed: no server is well',
  isOutage: true,
};
const tooLong: Episode['untrainable'][number] = {
  spanId: 's',
  agentName: '',
  reason: 'failed: the prompt is too long',
};

function episodeOf(
  rolloutId: string,
  status: RolloutStatus,
  ...untrainable: Episode['untrainable'][number][]
): Episode {
  const rollout = { rolloutId, status, failure: { code: 'agent-failed', message: 'status 503' } } as Rollout;
  return { rollout, transitions: [], untrainable, reward: undefined, untrainedReward: undefined, rewards: {} };
}

it.each<[string, readonly Episode[], string]>([
  [
    'every rollout failed as the model was away',
    [episodeOf('a', 'failed', away), episodeOf('b', 'failed', away)],
    'outage',
  ],
  ['agents went on without the model', [episodeOf('a', 'succeeded', away)], 'outage'],
  ['some failed by themselves', [episodeOf('a', 'failed', away), episodeOf('b', 'failed')], 'all-failed'],
  ['calls were wrong', [episodeOf('a', 'failed', tooLong)], 'all-failed'],
  ['the rest made no calls', [episodeOf('a', 'failed', away), episodeOf('b', 'succeeded')], 'outage'],
])('tells an outage from a fault of the agent: %s', (_, episodes, cause) => {
  const rollouts = episodes.map(({ rollout }) => rollout);
  expect(diagnoseSignal(rollouts, episodes, nothing)?.cause).toBe(cause);
});

it('takes a lost rollout for an outage only where no group could be compared', () => {
  const call = { reward: undefined } as Episode['transitions'][number];
  const solved = (rolloutId: string): Episode => ({
    ...episodeOf(rolloutId, 'succeeded'),
    transitions: [call],
    reward: 1,
  });
  const lost: Episode = { ...episodeOf('c', 'failed'), failureKind: 'world' };
  const diagnose = (zeroVarianceGroups: readonly string[], ...episodes: readonly Episode[]): unknown =>
    diagnoseSignal(
      episodes.map(({ rollout }) => rollout),
      episodes,
      { ...nothing, dropped: { ...nothing.dropped, zeroVarianceGroups } },
    )?.cause;
  expect(diagnose(['g'], solved('a'), solved('b'), lost)).toBe('zero-variance');
  expect(diagnose([], solved('a'), lost)).toBe('outage'); // the other one of its group was lost
});
