import { describe, expect, it } from 'vitest';
import { episodeOf } from '../../test/__fixtures__/episodes.ts';
import { seededRandom } from '../seeded-random.ts';
import type { Episode } from '../transitions/transition.ts';
import { buildBatch, type LightningRLOptions } from './algorithm.ts';
import { toNodeWeight, type NodeStatistics } from './node-weights.ts';

const options: LightningRLOptions = {
  credit: 'identical',
  estimator: 'grpo',
  samples: 'transition',
  tokenWeighting: 'rollout',
  weighNodes: true,
};

/** A rollout of one call for each named agent; an agent sees always the same prompt. */
function rollout(id: string, reward: number, replies: Readonly<Record<string, number>>, groupId = 'g'): Episode {
  const episode = episodeOf(
    id,
    groupId,
    reward,
    Object.values(replies).map((reply, k) => ({ prompt: [k], response: [reply] })),
  );
  const names = Object.keys(replies);
  return {
    ...episode,
    transitions: episode.transitions.map((call, k) => ({ ...call, agentName: names[k]! })),
  };
}

describe('weighNodes', () => {
  // Agent a decides (reply 1 earns 1); agent b does not matter.
  const four = [
    rollout('r0', 1, { a: 1, b: 0 }),
    rollout('r1', 1, { a: 1, b: 1 }),
    rollout('r2', 0, { a: 0, b: 0 }),
    rollout('r3', 0, { a: 0, b: 1 }),
  ];

  it('sums the analysis of variance of each agent as by hand, and carries 0.85 of it', () => {
    const { nodeStatistics } = buildBatch(four, options);
    // Values ±1/2. a: means ±1/2 of two each, SSB = 4/4, SSW = 0. b: means 0, SSW = 4/4. Freedom 1 and 2; n0 = 4 − (4 + 4)/4.
    const sums = { betweenFreedom: 1, withinFreedom: 2, effectiveSize: 2 };
    expect(nodeStatistics).toEqual({
      a: { ...sums, betweenSquares: 1, withinSquares: 0 },
      b: { ...sums, betweenSquares: 0, withinSquares: 1 },
    });
    const again = buildBatch(four, { ...options, nodeStatistics: nodeStatistics! });
    expect(again.nodeStatistics!['a']).toEqual({
      betweenSquares: 1.85,
      betweenFreedom: 1.85,
      withinSquares: 0,
      withinFreedom: 3.7,
      effectiveSize: 3.7,
    });
    expect(JSON.parse(JSON.stringify(again.nodeStatistics))).toEqual(again.nodeStatistics);
  });

  it('weighs by what is known: fully after many cells, at least 0.1, and 1 before anything is', () => {
    const sums = { betweenSquares: 1, betweenFreedom: 1, withinSquares: 1, withinFreedom: 2, effectiveSize: 2 };
    // σ² = 1/2, τ² = (1 − 1/2)/2 = 1/4, w = 1/(1 + 1/2) = 2/3, c = 1/16.
    expect(toNodeWeight(sums)).toBeCloseTo(1 - 1 / 16 + (1 / 16) * (2 / 3), 12);
    const certain = { ...sums, betweenFreedom: 1e9, effectiveSize: 2e9, withinFreedom: 2e9, withinSquares: 1e9 };
    expect(toNodeWeight({ ...certain, betweenSquares: 0 })).toBeCloseTo(0.1, 6);
    expect(toNodeWeight({ ...certain, betweenSquares: 1e12 })).toBeCloseTo(1, 2);
    const none = { betweenSquares: 0, betweenFreedom: 0, withinSquares: 0, withinFreedom: 0, effectiveSize: 0 };
    expect(toNodeWeight(none)).toBe(1);
  });

  it('divides the batch by its root mean square, so that rollouts weigh alike', () => {
    const { advantages } = buildBatch(four, options);
    const squares = [...advantages.values()].map((own) => own.reduce((sum, value) => sum + value ** 2, 0) / own.length);
    expect(squares.reduce((sum, value) => sum + value, 0) / squares.length).toBeCloseTo(1, 12);
    const [a, b] = advantages.get('r0')!;
    // σ² of a is 0: w = 1; of b τ² = 0: w = 0.1.
    expect(b! / a!).toBeCloseTo(1 - 1 / 16 + 0.1 / 16, 12);
  });

  it('leaves agents alone whose prompts never repeat within a group', () => {
    const differing = four.map((episode, index) => ({
      ...episode,
      transitions: episode.transitions.map((call) => ({ ...call, promptIds: Int32Array.of(index) })),
    }));
    const { advantages, nodeStatistics } = buildBatch(differing, options);
    expect(nodeStatistics).toEqual({});
    for (const own of advantages.values()) expect(own[0]).toBe(own[1]);
  });

  it('finds which of several agents decide, from noisy rewards', () => {
    const random = seededRandom(0, 'rollouts');
    const names = ['one', 'two', 'three', 'four'];
    let statistics: NodeStatistics = {};
    for (let step = 0; step < 10; step += 1) {
      const group = Array.from({ length: 128 }, (_, index) => {
        const replies = Object.fromEntries(names.map((name) => [name, Math.floor(random() * 2)]));
        const isFlipped = random() < 0.2;
        return rollout(`r${index}`, (replies['three'] === 1) !== isFlipped ? 1 : 0, replies, `g${index % 16}`);
      });
      statistics = buildBatch(group, { ...options, nodeStatistics: statistics }).nodeStatistics!;
    }
    const weights = names.map((name) => toNodeWeight(statistics[name]!));
    expect(weights[2]).toBeGreaterThan(0.7);
    for (const index of [0, 1, 3]) expect(weights[index]).toBeLessThan(0.75 * weights[2]!);
  });
});
