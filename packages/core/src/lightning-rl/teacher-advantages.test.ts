import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arbitraryEpisodes, episodeOf } from '../../test/__fixtures__/episodes.ts';
import type { Episode } from '../transitions/transition.ts';
import { buildBatch } from './algorithm.ts';
import type { BatchSample } from './batch.ts';
import { buildDemonstrations } from './demonstrations.ts';
import { splitMinibatches } from './minibatches.ts';
import { followTeacher } from './teacher-advantages.ts';

const layouts = ['transition', 'trajectory'] as const;

/** Makes samples whose advantages come from elsewhere: none. */
function samplesOf(episodes: readonly Episode[], layout: (typeof layouts)[number]): readonly BatchSample[] {
  const samples = buildDemonstrations(episodes, { samples: layout, tokenWeighting: 'token' });
  return samples.map((sample) => ({ ...sample, tokenAdvantages: new Float64Array(sample.tokens.length) }));
}

/** The teacher of the tests: finds a token the likelier, the nearer its id is to that of the token before. */
const markOf = (token: number, before: number): number => -0.1 - Math.abs(token - before) / 3;
const marksOf = (tokens: Int32Array): Float32Array =>
  Float32Array.from(tokens, (token, t) => (t === 0 ? 0 : markOf(token, tokens[t - 1]!)));

/** Goes over the calls as they were made, and knows nothing of samples: −(log p_student − log p_teacher), weighted by 1 / N of the call's policy. */
function naive(episodes: readonly Episode[]): { readonly sum: number; readonly divergence: number } {
  const calls = episodes.flatMap(({ transitions }) => transitions);
  let [sum, divergence, count] = [0, 0, 0];
  for (const [, own] of Map.groupBy(calls, ({ policy }) => policy)) {
    const ownCount = own.reduce((tokens, { responseIds }) => tokens + responseIds.length, 0);
    for (const { promptIds, responseIds, logprobs } of own) {
      const whole = [...promptIds, ...responseIds];
      responseIds.forEach((token, t) => {
        const student = logprobs[t]!;
        const teacher = Math.fround(markOf(token, whole[promptIds.length + t - 1]!));
        divergence += student - teacher;
        sum += (-(student - teacher) * tellingFactor(token)) / ownCount;
        count += 1;
      });
    }
  }
  return { sum, divergence: count === 0 ? 0 : divergence / count };
}

/** Tells tokens apart, so that a mark on the wrong one changes the sum. */
const tellingFactor = (token: number): number => 1 + (token % 7);

describe('followTeacher', () => {
  it('marks each token by how much likelier the teacher finds it, weighted, as by hand', () => {
    const samples = samplesOf(
      [
        episodeOf('a', 'g', 1, [{ prompt: [1], response: [2, 3], logprobs: [-1, -2] }]),
        episodeOf('b', 'g', undefined, [{ prompt: [1], response: [4, 5], logprobs: [-0.5, -3] }]),
      ],
      'trajectory',
    );
    const { samples: marked, meanDivergence } = followTeacher(samples, [
      [9, -0.5, -4],
      [9, -0.5, -1],
    ]);
    // q − lp_T: −0.5, 2 | 0, −2; each of four tokens weighs 1/4.
    expect(meanDivergence).toBeCloseTo(-0.125, 12);
    expect(marked.map(({ tokenAdvantages }) => [...tokenAdvantages])).toEqual([
      [0, 0.5, -2],
      [0, 0, 2],
    ]);
    expect(marked.map(({ advantages }) => [...advantages])).toEqual([
      [0, 0.125, -0.5],
      [0, 0, 0.5],
    ]);
    expect(marked.map(({ segments }) => segments[0]!.advantage)).toEqual([-0.75, 1]);
  });

  it('agrees with a second implementation that goes over the calls, whatever the layout', () => {
    fc.assert(
      fc.property(arbitraryEpisodes, fc.constantFrom(...layouts), (episodes, layout) => {
        const samples = samplesOf(episodes, layout);
        const { samples: marked, meanDivergence } = followTeacher(
          samples,
          samples.map(({ tokens }) => marksOf(tokens)),
        );
        let sum = 0;
        for (const { tokens, advantages } of marked)
          advantages.forEach((advantage, t) => {
            sum += advantage * tellingFactor(tokens[t]!);
          });
        const expected = naive(episodes);
        expect(sum).toBeCloseTo(expected.sum, 4);
        expect(meanDivergence).toBeCloseTo(expected.divergence, 5);
      }),
    );
  });

  it('adds to the advantages of rewards, leaves context alone and changes nothing for a teacher that is the policy', () => {
    fc.assert(
      fc.property(arbitraryEpisodes, (episodes) => {
        const { samples } = buildBatch(episodes, {
          credit: 'identical',
          estimator: 'dr_grpo',
          samples: 'trajectory',
          tokenWeighting: 'rollout',
        });
        const same = followTeacher(
          samples,
          samples.map(({ logprobs }) => logprobs),
        );
        expect(same.samples.map(({ advantages }) => advantages)).toEqual(samples.map(({ advantages }) => advantages));
        expect(same.meanDivergence).toBe(0);
        const { samples: marked } = followTeacher(
          samples,
          samples.map(({ tokens }) => marksOf(tokens)),
        );
        marked.forEach(({ tokenAdvantages, lossMask, tokens, logprobs }, index) =>
          tokenAdvantages.forEach((advantage, t) => {
            const own = samples[index]!.tokenAdvantages[t]!;
            if (lossMask[t] === 0) expect(advantage).toBe(0);
            else expect(advantage - own).toBeCloseTo(marksOf(tokens)[t]! - logprobs[t]!, 5);
          }),
        );
      }),
    );
  });

  it('has an expected advantage of minus the reverse KL', () => {
    const probabilities = fc.array(fc.double({ min: 0.01, max: 1, noNaN: true }), { minLength: 4, maxLength: 4 });
    const normalised = (values: readonly number[]): readonly number[] =>
      values.map((value) => value / values.reduce((sum, each) => sum + each, 0));
    fc.assert(
      fc.property(probabilities, probabilities, (own, other) => {
        const [policy, teacher] = [normalised(own), normalised(other)];
        const episodes = policy.map((p, token) =>
          episodeOf(`r${token}`, 'g', undefined, [{ prompt: [9], response: [token], logprobs: [Math.log(p)] }]),
        );
        const { samples } = followTeacher(
          samplesOf(episodes, 'transition'),
          teacher.map((p) => [0, Math.log(p)]),
        );
        const expected = samples.reduce(
          (sum, { tokenAdvantages }, token) => sum + policy[token]! * tokenAdvantages[1]!,
          0,
        );
        const reverseKl = policy.reduce((sum, p, token) => sum + p * Math.log(p / teacher[token]!), 0);
        expect(expected).toBeCloseTo(-reverseKl, 5);
        expect(expected).toBeLessThan(1e-6);
      }),
    );
  });

  it('survives a split into minibatches, and refuses log-probabilities that are not the samples’', () => {
    const samples = samplesOf([episodeOf('a', 'a', 1, [{ prompt: [1], response: [2, 3] }])], 'trajectory');
    const marked = followTeacher(samples, [[0, -3, -1]]).samples;
    expect(splitMinibatches({ samples: marked, tokenWeighting: 'token' }, 1, () => 0)[0]!.samples).toEqual(marked);
    expect(() => followTeacher(samples, [])).toThrow(/sample 0 of 3 tokens has no/);
    expect(() => followTeacher(samples, [[0, Number.NEGATIVE_INFINITY, 0]])).toThrow(/is -Infinity/);
  });
});
