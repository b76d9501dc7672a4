import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arbitraryEpisodes, episodeOf } from '../../test/__fixtures__/episodes.ts';
import { buildBatch, type LightningRLOptions } from './algorithm.ts';

const options: LightningRLOptions = {
  credit: 'identical',
  estimator: 'grpo',
  samples: 'trajectory',
  tokenWeighting: 'rollout',
};
const call = { prompt: [1], response: [2] };

describe('buildBatch', () => {
  // The worked example of docs/algorithm.md: one question, four rollouts of a writer that may rewrite.
  const write = { prompt: [1, 2, 3], response: [4, 5, 6] };
  const rewrite = { prompt: [1, 2, 3, 4, 5, 6, 7, 8], response: [9, 10] };
  const again = { prompt: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 7, 8], response: [11] };
  const example = [
    episodeOf('right at once', 'question', 1, [write]),
    episodeOf('right after a rewrite', 'question', 1, [write, rewrite]),
    episodeOf('wrong after two', 'question', 0, [write, rewrite, again]),
    episodeOf('wrong at once', 'question', 0, [write]),
  ];

  it('gives an answer that was thrown away its own advantage, and no part in any statistic', () => {
    const discarded = episodeOf('right at once', 'question', undefined, [{ prompt: [1, 2, 3], response: [7, 7] }]);
    const withDiscarded = [{ ...example[0]!, discarded: discarded.transitions }, ...example.slice(1)];
    const plain = buildBatch(example, options);
    expect(buildBatch(withDiscarded, options)).toEqual(plain);
    const batch = buildBatch(withDiscarded, { ...options, discardedAdvantage: -0.5 });
    expect([...batch.advantages]).toEqual([...plain.advantages]);
    expect([...batch.returns]).toEqual([...plain.returns]);
    const own = batch.samples.filter(({ rolloutId }) => rolloutId === 'right at once');
    // Both of its samples share the weight of the rollout: R = 4, N(ρ) = 3 + 2.
    expect(own.map(({ tokens, tokenWeight }) => [tokens.length, tokenWeight])).toEqual([
      [6, 1 / 20],
      [5, 1 / 20],
    ]);
    expect([...own[1]!.tokenAdvantages]).toEqual([0, 0, 0, -0.5, -0.5]);
    expect(own[1]!).toMatchObject({ callIndexes: [1], segments: [{ callIndex: 1, advantage: -0.5 }] });
  });

  it('refuses an advantage of what was thrown away that is no number, or that a critic would give', () => {
    expect(() => buildBatch(example, { ...options, discardedAdvantage: Number.NaN })).toThrow(/discardedAdvantage/);
    const gae = { ...options, estimator: 'gae', credit: 'perStep' } as const;
    expect(() => buildBatch(example, { ...gae, discardedAdvantage: -1 })).toThrow(/discardedAdvantage.*gae/);
  });

  it('computes the worked example of the documentation', () => {
    const batch = buildBatch(example, options);
    // m = 1/2, s = √(4·(1/2)²/3) = 0.57735, A = ±(1/2)/(s + 1e-6) = ±0.866024
    const advantages = [...batch.advantages.values()].map((values) => [...values].map((value) => value.toFixed(6)));
    expect(advantages).toEqual([
      ['0.866024'],
      ['0.866024', '0.866024'],
      ['-0.866024', '-0.866024', '-0.866024'],
      ['-0.866024'],
    ]);
    // R = 4; N(ρ) = 3, 5, 6, 3
    expect(batch.samples.map((sample) => sample.tokenWeight)).toEqual([1 / 12, 1 / 20, 1 / 24, 1 / 12]);
    expect(batch.samples.map((sample) => sample.lossMask.join(''))).toEqual([
      '000111',
      '0001110011',
      '0001110011001',
      '000111',
    ]);
    expect(batch.samples.map((sample) => sample.advantages.find((value) => value !== 0)!.toFixed(6))).toEqual([
      '0.072169',
      '0.043301',
      '-0.036084',
      '-0.072169',
    ]);
  });

  it('reads 35 tokens when calls are merged, and 57 when they are not', () => {
    const count = (samples: LightningRLOptions['samples']): number =>
      buildBatch(example, { ...options, samples }).samples.reduce((sum, sample) => sum + sample.tokens.length, 0);
    expect([count('trajectory'), count('transition')]).toEqual([35, 57]);
  });

  it('compares rollouts of one group, and a rollout without a group with nobody', () => {
    const { groupId: _, ...alone } = episodeOf('c', '', 1, [call]).rollout;
    const batch = buildBatch(
      [
        episodeOf('a', 'g', 1, [call]),
        episodeOf('b', 'g', 0, [call]),
        { ...episodeOf('c', '', 1, [call]), rollout: alone },
      ],
      options,
    );
    expect([...batch.advantages.keys()]).toEqual(['a', 'b']);
    expect(batch.dropped.singletonGroups).toEqual(['c']);
  });

  it('counts a reward in the mean of its group, also when no call of its rollout can be trained on', () => {
    const reason = 'the call has 5000 tokens, and the backend trains samples of at most 4096';
    const cut = { spanId: '0', agentName: 'write', reason };
    const lost = { ...cut, isOutage: true as const };
    const good = [episodeOf('a', 'g', 1, [call]), episodeOf('b', 'g', 1, [call])];
    const bad = ['c', 'd'].map((id) => ({ ...episodeOf(id, 'g', 0, []), untrainable: [cut] }));
    const batch = buildBatch([...good, ...bad], { ...options, estimator: 'dr_grpo' });
    expect([...batch.advantages].map(([id, [advantage]]) => [id, advantage])).toEqual([
      ['a', 0.5],
      ['b', 0.5],
    ]);
    expect(batch).toMatchObject({ rolloutCount: 2, groupIds: ['g'], dropped: { noTransitions: ['c', 'd'] } });
    const away = bad.map((episode) => ({ ...episode, untrainable: [lost] }));
    expect(buildBatch([...good, ...away], options).dropped.zeroVarianceGroups).toEqual(['g']);
  });

  it('leaves a rollout without a reward out of the statistics, and names it', () => {
    const rewarded = [episodeOf('a', 'g', 1, [call]), episodeOf('b', 'g', 0, [call])];
    const batch = buildBatch(
      [...rewarded, episodeOf('crashed', 'g', undefined, [call], { status: 'failed' })],
      options,
    );
    expect(batch.advantages).toEqual(buildBatch(rewarded, options).advantages);
    expect(batch.dropped.missingReward).toEqual(['crashed']);
    expect(batch.returns.has('crashed')).toBe(false);
  });

  it('names what it drops: equal groups, rollouts without calls, untrainable calls', () => {
    const untrainable = [{ spanId: '1', agentName: 'write', reason: 'the engine reported no tokens' }];
    const batch = buildBatch(
      [
        episodeOf('a', 'same', 1, [call]),
        episodeOf('b', 'same', 1, [call]),
        { ...episodeOf('c', 'g', 1, []), untrainable },
        episodeOf('d', 'g', 1, [call]),
        { ...episodeOf('e', 'g', 0, [call]), untrainable },
      ],
      options,
    );
    expect(batch.dropped).toEqual({
      zeroVarianceGroups: ['same'],
      singletonGroups: [],
      missingReward: [],
      noTransitions: ['c'],
      untrainable: 2,
    });
    expect(batch).toMatchObject({ rolloutCount: 2, groupIds: ['g'] });
    expect([...batch.returns.keys()]).toEqual(['a', 'b', 'd', 'e']);
  });

  it('counts signals into the return when intermediate rewards are on, and only then', () => {
    const failing = { ...call, signals: [{ type: 'tool_error', name: 'sql', spanId: '1' } as const] };
    const episodes = [episodeOf('a', 'g', 1, [failing]), episodeOf('b', 'g', 1, [call])];
    expect(buildBatch(episodes, options).dropped.zeroVarianceGroups).toEqual(['g']);
    const batch = buildBatch(episodes, {
      ...options,
      estimator: 'rloo',
      intermediate: { kind: 'additive', toolError: -0.25 },
    });
    expect([...batch.advantages.values()].map(([advantage]) => advantage)).toEqual([-0.25, 0.25]);
  });

  it('takes the scale of rewards from all that the run has seen, shaping left out, unless one is given', () => {
    const failing = { ...call, signals: [{ type: 'tool_error', name: 'sql', spanId: '1' } as const] };
    const episodes = [episodeOf('a', 'g', 0, [failing]), episodeOf('b', 'g', 0, [call])];
    const shaped = { ...options, intermediate: { kind: 'additive', toolError: -0.1 } } as const;
    const advantageOf = (changes: Partial<LightningRLOptions>): number =>
      buildBatch(episodes, { ...shaped, ...changes }).advantages.get('b')![0]!;

    const first = buildBatch([episodeOf('x', 'h', 3, [call]), episodeOf('y', 'h', -2, [call])], shaped);
    expect(first).toMatchObject({ rewardRange: { lowest: -2, highest: 3 }, shapingOnlyGroups: [] });
    const second = buildBatch(episodes, { ...shaped, rewardRange: first.rewardRange! });
    expect(second).toMatchObject({ rewardRange: { lowest: -2, highest: 3 }, shapingOnlyGroups: ['g'] });

    expect(advantageOf({})).toBeCloseTo(0.05, 6);
    expect(advantageOf({ rewardRange: first.rewardRange! })).toBeCloseTo(0.01, 6);
    expect(advantageOf({ rewardRange: first.rewardRange!, rewardScale: 1 })).toBeCloseTo(0.05, 6);
  });

  it.each([
    [{ discounted: 0.9 }, ['g']],
    [{ perStep: 0.9 }, ['g']],
    ['identical', []],
  ] as const)('knows that %j alone tells equal rewards apart', (credit, shapingOnly) => {
    const lengths = [2, 3, 4, 5, 5, 4, 3, 2];
    const solved = lengths.map((length, index) =>
      episodeOf(
        `r${index}`,
        'g',
        1,
        Array.from({ length }, () => call),
      ),
    );
    const batch = buildBatch(solved, { ...options, credit });
    expect(batch.shapingOnlyGroups).toEqual(shapingOnly);
    for (const advantages of batch.advantages.values())
      for (const value of advantages) expect(Math.abs(value)).toBeLessThan(0.4);
  });

  it('takes rewards of calls for what was earned, where credit keeps them', () => {
    const earner = (rolloutId: string, ...rewards: number[]): ReturnType<typeof episodeOf> =>
      episodeOf(
        rolloutId,
        'g',
        0,
        rewards.map((reward) => ({ ...call, reward })),
      );
    const episodes = [earner('a', 1, 0), earner('b', 0, 1)];
    expect(buildBatch(episodes, { ...options, credit: 'perStep' }).shapingOnlyGroups).toEqual([]);
    expect(buildBatch(episodes, { ...options, credit: { discounted: 0.5 } }).advantages.size).toBe(0);
    const byFunction = buildBatch(episodes, { ...options, credit: (_episode, own) => own });
    expect(byFunction).toMatchObject({ shapingOnlyGroups: [], rolloutCount: 2 });
  });

  it('makes an empty batch of nothing', () => {
    expect(buildBatch([], options)).toMatchObject({ samples: [], rolloutCount: 0, groupIds: [] });
  });

  it('does not depend on the order of the episodes', () => {
    fc.assert(
      fc.property(arbitraryEpisodes, (episodes) => {
        const batch = buildBatch(episodes, options);
        const reversed = buildBatch(episodes.toReversed(), options);
        expect(reversed.samples.length).toBe(batch.samples.length);
        for (const [rolloutId, values] of batch.advantages) {
          values.forEach((value, k) => expect(reversed.advantages.get(rolloutId)![k]).toBeCloseTo(value, 9));
        }
      }),
    );
  });

  it('weighs every rollout of a policy alike, and trains no token of a dropped rollout', () => {
    fc.assert(
      fc.property(arbitraryEpisodes, (episodes) => {
        const batch = buildBatch(episodes, options);
        expect(new Set(batch.samples.map(({ rolloutId }) => rolloutId))).toEqual(new Set(batch.advantages.keys()));
        for (const own of Map.groupBy(batch.samples, ({ policy }) => policy).values()) {
          const total = own.reduce(
            (sum, sample) => sum + sample.tokenWeight * sample.lossMask.reduce((count, bit) => count + bit, 0),
            0,
          );
          expect(total).toBeCloseTo(1, 10);
        }
      }),
    );
  });

  it('refuses rollouts that are not for training, and a rollout given twice', () => {
    expect(() => buildBatch([episodeOf('a', 'g', 1, [call], { mode: 'val' })], options)).toThrow(
      /rollout a has mode val/,
    );
    expect(() => buildBatch([episodeOf('a', 'g', 1, [call]), episodeOf('a', 'g', 1, [call])], options)).toThrow(
      /rollout a is in the batch twice/,
    );
  });

  it.each([
    [{ estimator: 'ppo' }, /estimator is "ppo"; give one of/],
    [{ samples: 'both' }, /samples is "both"/],
    [{ tokenWeighting: { constant: 0 } }, /tokenWeighting is {"constant":0}/],
    [{ tokenWeighting: 'call' }, /tokenWeighting is "call"/],
    [{ credit: { discounted: 2 } }, /credit is/],
    [{ rewardScale: 0 }, /rewardScale must be a finite number above 0; got 0/],
  ])('refuses the option %j', (wrong, message) => {
    expect(() => buildBatch([], { ...options, ...wrong } as LightningRLOptions)).toThrow(message);
  });
});
