/** A potential leaves the expected gradient as it is: by enumeration of all groups of a small decision process, not by sampling. */
import { expect, it } from 'vitest';
import { episodeOf } from '../../test/__fixtures__/episodes.ts';
import type { Episode, StepSignal } from '../transitions/transition.ts';
import { buildBatch, type LightningRLOptions } from './algorithm.ts';

/** One way in which a rollout can go: its probability, and the slope of each choice's log-probability. */
interface Path {
  readonly probability: number;
  readonly episode: (rolloutId: string) => Episode;
  /** Shape (calls, parameters). */
  readonly slopes: readonly (readonly number[])[];
}

const likely = [0.3, 0.6] as const; // of the choice 1 at the first and at the second call
const failing: StepSignal = { type: 'tool_error', name: 'search', spanId: '1' };

/** Two calls, each a choice of 0 or 1. The tool fails half of the time after choice 1; a failed tool and choice 0 at once end in a cut-off rollout. */
function listPaths(): readonly Path[] {
  const slope = (k: 0 | 1, choice: number): number[] => {
    const own = choice === 1 ? 1 - likely[k] : -likely[k];
    return k === 0 ? [own, 0] : [0, own];
  };
  const chance = (k: 0 | 1, choice: number): number => (choice === 1 ? likely[k] : 1 - likely[k]);
  const call = (choice: number, fails: boolean) => ({
    prompt: [1],
    response: [choice],
    signals: fails ? [failing] : [],
  });
  return [0, 1].flatMap((first) =>
    (first === 1 ? [true, false] : [false]).flatMap((fails): Path[] => {
      const before = chance(0, first) * (first === 1 ? 0.5 : 1);
      if (first === 0)
        return [
          { probability: before, episode: (id) => episodeOf(id, 'g', 0.3, [call(0, false)]), slopes: [slope(0, 0)] },
        ];
      return [0, 1].map((second) => ({
        probability: before * chance(1, second),
        episode: (id) => episodeOf(id, 'g', fails && second === 0 ? 0 : second, [call(1, fails), call(second, false)]),
        slopes: [slope(0, 1), slope(1, second)],
      }));
    }),
  );
}

/** The exact expectation of Σ advantage · slope over all groups of three rollouts. */
function expectedGradient(options: Pick<LightningRLOptions, 'credit' | 'intermediate'>): number[] {
  const paths = listPaths();
  const gradient = [0, 0];
  for (const a of paths)
    for (const b of paths)
      for (const c of paths) {
        const group = [a, b, c];
        const { advantages } = buildBatch(
          group.map(({ episode }, index) => episode(`r${index}`)),
          { estimator: 'rloo', samples: 'transition', tokenWeighting: 'rollout', ...options },
        );
        const probability = group.reduce((product, path) => product * path.probability, 1);
        group.forEach(({ slopes }, index) =>
          slopes.forEach((slope, k) =>
            slope.forEach((value, parameter) => {
              gradient[parameter]! += (probability * value * (advantages.get(`r${index}`)?.[k] ?? 0)) / group.length;
            }),
          ),
        );
      }
  return gradient;
}

it.each([1, 0.9, 0.5])('does not change the expected gradient, with failures and cut-off rollouts: γ = %d', (gamma) => {
  const credit = { perStep: gamma };
  const plain = expectedGradient({ credit });
  expect(Math.hypot(...plain)).toBeGreaterThan(0.01);
  const shaped = expectedGradient({ credit, intermediate: { kind: 'potential', toolError: -0.7 } });
  shaped.forEach((value, parameter) => expect(value).toBeCloseTo(plain[parameter]!, 12));
  // The control: the same worth as a reward does change it.
  const rewarded = expectedGradient({ credit, intermediate: { kind: 'additive', toolError: -0.7 } });
  expect(Math.hypot(...rewarded.map((value, parameter) => value - plain[parameter]!))).toBeGreaterThan(0.005);
});

it('is a baseline of each call: what was known before it, and nothing of itself', () => {
  const erring = { prompt: [1], response: [2], signals: [failing] };
  const episode = episodeOf('a', 'g', 1, [erring, erring, { prompt: [1], response: [2] }]);
  const { returns } = buildBatch([episode], {
    credit: { perStep: 1 },
    estimator: 'rloo',
    samples: 'transition',
    tokenWeighting: 'rollout',
    intermediate: { kind: 'potential', toolError: -0.25 },
  });
  expect([...returns.get('a')!]).toEqual([1, 1.25, 1.5]);
});
