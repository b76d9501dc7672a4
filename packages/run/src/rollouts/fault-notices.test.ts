import type { Episode, Rollout } from '@agent-lightning/core';
import { expect, it } from 'vitest';
import { FaultNotices } from './fault-notices.ts';

const episodeOf = (rolloutId: string, reason: string): Episode => ({
  rollout: { rolloutId, status: 'succeeded' } as Rollout,
  transitions: [],
  untrainable: [{ spanId: 's', agentName: '', reason }],
  reward: 1,
  rewards: {},
});

it('tells a kind of fault once in a run, whatever numbers are in it', () => {
  const notices = new FaultNotices();
  const [long, longer, other] = [
    'the call has 5000 tokens, and the backend trains samples of at most 4096',
    'the call has 5123 tokens, and the backend trains samples of at most 4096',
    'the engine reported no tokens',
  ];
  expect(notices.collect(1, [episodeOf('a', long), episodeOf('b', longer)], 0)).toEqual([
    `step 1: 2 model calls are not trained on: ${long} (such as in rollout a)`,
  ]);
  expect(notices.collect(2, [episodeOf('c', longer), episodeOf('d', other)], 0)).toEqual([
    `step 2: 1 model calls are not trained on: ${other} (such as in rollout d)`,
  ]);
});

it('tells once of an agentMatch that has selected no agent so far', () => {
  const notices = new FaultNotices();
  const episode = (match: string, selected: boolean): Episode => ({
    ...episodeOf('a', ''),
    untrainable: [],
    agents: [
      { name: 'graph', selected: false, match: undefined, unmatched: [match], calls: 0 },
      selected
        ? { name: 'write_query', selected, match, unmatched: [], calls: 2 }
        : { name: 'write_query', selected, match: undefined, unmatched: [match], calls: 2 },
      { name: 'check', selected: false, match: undefined, unmatched: [match], calls: 1 },
    ],
  });
  expect(notices.collect(1, [episode('/w/', true), episode('/none/', false)], 0)).toEqual([
    expect.stringMatching(
      /^step 1: no agent trains under agentMatch \/none\/: agents seen: write_query, check; none matches \/none\//,
    ),
  ]);
  expect(notices.collect(2, [episode('/w/', false), episode('/none/', false)], 0)).toEqual([]);
});

it('tells of an inner agentMatch that matches no agent, where an outer one selects them', () => {
  const agents = [{ name: 'write', selected: true, match: '/write/', unmatched: ['/wirte/'], calls: 1 }];
  expect(new FaultNotices().collect(1, [{ ...episodeOf('a', ''), untrainable: [], agents }], 0)).toEqual([
    expect.stringMatching(/^step 1: no agent trains under agentMatch \/wirte\/: agents seen: write; none matches/),
  ]);
});
