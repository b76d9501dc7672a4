import { type Episode, type Transition } from '@agent-lightning/core';
import { ShuffledControl } from '@agent-lightning/run';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lengthPenaltyOf, penalizeLengths } from './length-penalty.ts';

const penalty = { limit: 100, buffer: 20, weight: 1 };
const shapes = fc
  .record({ limit: fc.integer({ min: 1, max: 4_096 }), share: fc.double({ min: 0.01, max: 1, noNaN: true }) })
  .map(({ limit, share }) => ({ limit, buffer: Math.ceil(limit * share), weight: 0.5 }));

describe('the penalty for long responses', () => {
  it.each([
    [1, 0],
    [80, 0],
    [85, -0.25],
    [90, -0.5],
    [100, -1],
    [140, -1],
  ])('of %d tokens is %d', (tokens, expected) => expect(lengthPenaltyOf(tokens, penalty)).toBeCloseTo(expected, 12));

  it('is the three cases of the paper', () => {
    fc.assert(
      fc.property(shapes, fc.integer({ min: 1, max: 5_000 }), (shape, tokens) => {
        const { limit, buffer, weight } = shape;
        const start = limit - buffer;
        const paper = tokens <= start ? 0 : tokens <= limit ? (start - tokens) / buffer : -1;
        expect(lengthPenaltyOf(tokens, shape)).toBeCloseTo(weight * paper, 9);
      }),
    );
  });

  it('is a reward of the call, where there is a reward to learn from', () => {
    const callOf = (tokens: number, reward?: number): Transition =>
      ({ responseIds: new Int32Array(tokens), reward }) as unknown as Transition;
    const episode = { reward: 1, transitions: [callOf(50), callOf(90), callOf(100, 0.25)] } as unknown as Episode;
    const unrewarded = { reward: undefined, transitions: [callOf(100)] } as unknown as Episode;
    const penalized = penalizeLengths([episode, unrewarded], penalty);
    expect(penalized[0]!.transitions.map(({ reward }) => reward)).toEqual([undefined, -0.5, -0.75]);
    expect(penalized[1]).toBe(unrewarded);
    // Failing is not the way round the penalty: the success earns 1 − 0.5 − 0.75.
    const failed = { reward: 0, failureKind: 'policy', isFailureReward: true, transitions: [] } as unknown as Episode;
    expect(penalizeLengths([episode, failed], penalty)[1]!.reward).toBe(-0.25);
    expect(penalizeLengths([failed], penalty)[0]!.reward).toBe(0);
  });

  it('does not tell in a control run which rollouts failed, only whose reward is that of a failure', () => {
    const calls = [{ responseIds: new Int32Array(100) }] as unknown as Episode['transitions'];
    const failed = { reward: 0, failureKind: 'policy', isFailureReward: true, transitions: [] } as unknown as Episode;
    const [long, short] = [calls, []].map((transitions) => ({ reward: 0.5, transitions }) as unknown as Episode);
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const shuffled = new ShuffledControl({ seed, comparesSteps: false }).give(1, [failed, long!, short!], 'learn');
        for (const { reward } of penalizeLengths(shuffled, penalty).filter(({ isFailureReward }) => !isFailureReward))
          expect(reward).toBe(0.5);
        const others = shuffled.map((episode): Episode => ({ ...episode, failureKind: 'unknown' }));
        const rewardsOf = (episodes: readonly Episode[]): unknown =>
          penalizeLengths(episodes, penalty).map(({ reward }) => reward);
        expect(rewardsOf(shuffled)).toEqual(rewardsOf(others));
      }),
    );
  });
});
