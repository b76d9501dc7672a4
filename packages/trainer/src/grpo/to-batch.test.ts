import type { Episode, Transition } from '@agent-lightning/core';
import { expect, it } from 'vitest';
import { resolveGrpoOptions, type GrpoOptions } from './grpo-options.ts';
import { toBatch } from './to-batch.ts';

/** A rollout of one call; its response is cut off at 8 tokens, the limit. */
function episodeOf(rolloutId: string, reward: number, tokens: number): Episode {
  const call: Transition = {
    rolloutId,
    attemptId: `${rolloutId}-1`,
    spanId: 's',
    sequenceId: 1,
    callIndex: 0,
    agentName: 'agent',
    policy: 'policy',
    policyVersion: 0,
    promptIds: Int32Array.of(1),
    responseIds: new Int32Array(tokens).fill(2),
    logprobs: new Float32Array(tokens).fill(-1),
    finishReason: tokens === 8 ? 'length' : 'stop',
    reward: undefined,
    signals: [],
  };
  const rollout = { rolloutId, groupId: 'g', mode: 'train', status: 'succeeded' } as Episode['rollout'];
  return { rollout, transitions: [call], untrainable: [], reward, rewards: { primary: reward } };
}

const episodes = [episodeOf('short', 1, 2), episodeOf('long', 1, 6), episodeOf('cut', 0, 8)];

function advantagesOf(options: GrpoOptions): Readonly<Record<string, number>> {
  const settings = resolveGrpoOptions({ estimator: 'dr_grpo', maxTokens: 8, ...options });
  const limits = { maxSampleTokens: 100, versions: { policy: 0 }, maxStaleness: 0 };
  const { batch, episodes: learned } = toBatch(episodes, settings, limits);
  expect(learned.map(({ reward }) => reward)).toEqual([1, 1, 0]);
  return Object.fromEntries([...batch.advantages].map(([id, [advantage]]) => [id, advantage!]));
}

it('trains responses that were cut off like others', () => {
  const advantages = advantagesOf({});
  expect(advantages['cut']).toBeCloseTo(-2 / 3, 12);
  expect(advantages['long']).toBe(advantages['short']);
});

it('leaves them out where told to, and their rollouts still count in the mean', () => {
  const advantages = advantagesOf({ truncated: 'leave-out' });
  expect(Object.keys(advantages)).toEqual(['short', 'long']);
  expect(advantages['short']).toBeCloseTo(1 / 3, 12);
});

it('lowers the return of long responses by the penalty, also where such are left out', () => {
  const mean = (1 + 0.5 - 1) / 3; // the penalties are 0, 0.5 and 1
  for (const truncated of ['train', 'leave-out'] as const) {
    const advantages = advantagesOf({ truncated, lengthPenalty: { buffer: 4 } });
    expect(advantages['short']).toBeCloseTo(1 - mean, 12);
    expect(advantages['long']).toBeCloseTo(0.5 - mean, 12);
  }
});

it('leaves answers that were thrown away out, or trains them with an advantage of their own where they can be trained on', () => {
  const [short, long, cut] = episodes as [Episode, Episode, Episode];
  const thrownAway = [short, cut].map(({ transitions: [call] }) => ({ ...call!, spanId: `away ${call!.rolloutId}` }));
  const listed = thrownAway.map(({ spanId }) => ({
    spanId,
    agentName: 'agent',
    reason: 'away',
    isDiscarded: true as const,
  }));
  const given = [{ ...short, discarded: thrownAway, untrainable: listed }, long, cut];
  const limits = { maxSampleTokens: 100, versions: { policy: 0 }, maxStaleness: 0 };
  const learn = (options: GrpoOptions): readonly [number, readonly string[]] => {
    const settings = resolveGrpoOptions({ estimator: 'dr_grpo', maxTokens: 8, truncated: 'leave-out', ...options });
    const { batch, episodes: learned } = toBatch(given, settings, limits);
    return [batch.samples.length, learned[0]!.untrainable.map(({ spanId }) => spanId)];
  };
  expect(learn({})).toEqual([2, ['away short', 'away cut']]);
  expect(learn({ discardedAdvantage: -1 })).toEqual([3, ['away cut']]);
});
