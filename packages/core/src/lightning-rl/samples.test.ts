import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arbitraryCalls, episodeOf, type CallShape } from '../../test/__fixtures__/episodes.ts';
import type { BatchSample } from './batch.ts';
import { prefixPaths } from './prefix-tree.ts';
import { buildSamples, type SampleLayout } from './samples.ts';

/** Samples of the calls, with the advantage k + 1 for call k. */
function samplesOf(calls: readonly CallShape[], layout: SampleLayout): readonly BatchSample[] {
  return buildSamples(
    episodeOf('a', 'g', 1, calls),
    'g',
    Float64Array.from(calls, (_, index) => index + 1),
    layout,
  );
}

const shown = (samples: readonly BatchSample[]): unknown[] =>
  samples.map((sample) => ({
    calls: sample.callIndexes,
    tokens: [...sample.tokens].join(' '),
    mask: sample.lossMask.join(''),
  }));

/** A second implementation of the tree: token ids as text, and the longest earlier text of the policy that begins the prompt. */
function naivePaths(calls: readonly CallShape[]): number[][] {
  const whole = calls.map(({ prompt, response }) => [...prompt, ...response].map((token) => `${token},`).join(''));
  const parents = calls.map(({ prompt, policy, temperature = 1 }, index) => {
    const text = prompt.map((token) => `${token},`).join('');
    let best = -1;
    for (let earlier = 0; earlier < index; earlier += 1) {
      const { policy: other, temperature: before = 1 } = calls[earlier]!;
      const begins = other === policy && before === temperature && text.startsWith(whole[earlier]!);
      if (begins && whole[earlier]!.length >= (whole[best]?.length ?? 0)) best = earlier;
    }
    return best;
  });
  const path = (index: number): number[] => (index < 0 ? [] : [...path(parents[index]!), index]);
  return calls.flatMap((_, index) => (parents.includes(index) ? [] : [path(index)]));
}

describe('prefixPaths', () => {
  it('agrees with a second implementation', () => {
    fc.assert(
      fc.property(arbitraryCalls, (calls) => {
        expect(prefixPaths(episodeOf('a', 'g', 1, calls).transitions)).toEqual(naivePaths(calls));
      }),
    );
  });
});

describe('buildSamples', () => {
  it('makes a sample for each call under transition', () => {
    const calls = [
      { prompt: [1, 2], response: [3] },
      { prompt: [1, 2, 3, 4], response: [5, 6] },
    ];
    expect(shown(samplesOf(calls, 'transition'))).toEqual([
      { calls: [0], tokens: '1 2 3', mask: '001' },
      { calls: [1], tokens: '1 2 3 4 5 6', mask: '000011' },
    ]);
  });

  it('keeps calls of different temperatures apart, and each sample at the temperature of its calls', () => {
    const calls = [
      { prompt: [1, 2], response: [3], temperature: 0.7 },
      { prompt: [1, 2, 3, 4], response: [5, 6] },
      { prompt: [1, 2, 3, 4, 5, 6, 7], response: [8], temperature: 1 },
      { prompt: [1, 2, 3, 4, 5, 6, 7], response: [9], temperature: 0.7 },
    ];
    const samples = samplesOf(calls, 'trajectory');
    expect(samples.map(({ callIndexes, temperature = 1 }) => [callIndexes, temperature])).toEqual([
      [[1, 2], 1],
      [[0, 3], 0.7],
    ]);
  });

  it('merges calls that continue each other, with the observations between them masked', () => {
    const calls = [
      { prompt: [1, 2], response: [3] },
      { prompt: [1, 2, 3, 4], response: [5, 6] },
      { prompt: [1, 2, 3, 4, 5, 6, 7], response: [8] },
    ];
    const [sample, ...others] = samplesOf(calls, 'trajectory');
    expect(others).toEqual([]);
    expect(shown([sample!])).toEqual([{ calls: [0, 1, 2], tokens: '1 2 3 4 5 6 7 8', mask: '00101101' }]);
    expect([...sample!.tokenAdvantages]).toEqual([0, 0, 1, 0, 2, 2, 0, 3]);
    expect([...sample!.logprobs]).toEqual([0, 0, -1, 0, -1, -1, 0, -1]);
    expect(sample!.segments.map(({ start, end }) => [start, end])).toEqual([
      [2, 3],
      [4, 6],
      [7, 8],
    ]);
  });

  it('merges a call that continues without an observation', () => {
    const calls = [
      { prompt: [1], response: [2] },
      { prompt: [1, 2], response: [3] },
    ];
    expect(shown(samplesOf(calls, 'trajectory'))).toEqual([{ calls: [0, 1], tokens: '1 2 3', mask: '011' }]);
  });

  it('keeps the branch of each of two interleaved agents', () => {
    const planner = [
      { prompt: [1], response: [2] },
      { prompt: [1, 2, 3], response: [4] },
    ];
    const worker = [
      { prompt: [9], response: [8] },
      { prompt: [9, 8, 7], response: [6] },
    ];
    expect(shown(samplesOf([planner[0]!, worker[0]!, planner[1]!, worker[1]!], 'trajectory'))).toEqual([
      { calls: [0, 2], tokens: '1 2 3 4', mask: '0101' },
      { calls: [1, 3], tokens: '9 8 7 6', mask: '0101' },
    ]);
  });

  it('trains a response once when two calls continue it', () => {
    const calls = [
      { prompt: [1], response: [2] },
      { prompt: [1, 2, 3], response: [4] },
      { prompt: [1, 2, 5], response: [6] },
    ];
    expect(shown(samplesOf(calls, 'trajectory'))).toEqual([
      { calls: [0, 1], tokens: '1 2 3 4', mask: '0101' },
      { calls: [0, 2], tokens: '1 2 5 6', mask: '0001' },
    ]);
  });

  it('keeps parallel calls with one prompt apart', () => {
    const calls = [
      { prompt: [1], response: [2] },
      { prompt: [1], response: [2] },
    ];
    expect(shown(samplesOf(calls, 'trajectory'))).toEqual([
      { calls: [0], tokens: '1 2', mask: '01' },
      { calls: [1], tokens: '1 2', mask: '01' },
    ]);
  });

  it('continues the latest of two calls that are the same', () => {
    const calls = [
      { prompt: [1], response: [2] },
      { prompt: [1], response: [2] },
      { prompt: [1, 2], response: [3] },
    ];
    expect(samplesOf(calls, 'trajectory').map(({ callIndexes }) => callIndexes)).toEqual([[0], [1, 2]]);
  });

  it('never merges calls of different policies', () => {
    const calls = [
      { prompt: [1], response: [2], policy: 'writer' },
      { prompt: [1, 2], response: [3], policy: 'judge' },
    ];
    expect(samplesOf(calls, 'trajectory').map(({ policy, callIndexes }) => [policy, callIndexes])).toEqual([
      ['writer', [0]],
      ['judge', [1]],
    ]);
  });

  it('names the versions of the trained tokens, once each', () => {
    const calls = [
      { prompt: [1], response: [2], policyVersion: 4 },
      { prompt: [1, 2], response: [3], policyVersion: 3 },
      { prompt: [1, 2, 3], response: [3], policyVersion: 4 },
    ];
    expect(samplesOf(calls, 'trajectory')[0]!.policyVersions).toEqual([3, 4]);
  });

  it.each(['transition', 'trajectory'] as const)(
    'reproduces every call token by token, and trains each response once: %s',
    (layout) => {
      fc.assert(
        fc.property(arbitraryCalls, (calls) => {
          const samples = samplesOf(calls, layout);
          const trained = samples.flatMap((sample) => sample.segments.map((segment) => ({ sample, segment })));
          expect(trained.map(({ segment }) => segment.callIndex).toSorted((a, b) => a - b)).toEqual(
            calls.map((_, index) => index),
          );
          for (const {
            sample,
            segment: { callIndex, start, end },
          } of trained) {
            const call = calls[callIndex]!;
            expect([...sample.tokens.subarray(0, start)]).toEqual(call.prompt);
            expect([...sample.tokens.subarray(start, end)]).toEqual(call.response);
            expect(sample.logprobs.subarray(start, end)).toEqual(Float32Array.from(call.logprobs!));
            expect(sample.tokenAdvantages.subarray(start, end).every((advantage) => advantage === callIndex + 1)).toBe(
              true,
            );
          }
        }),
      );
    },
  );

  it.each(['transition', 'trajectory'] as const)(
    'gives masked tokens nothing, and never the first token of a sample: %s',
    (layout) => {
      fc.assert(
        fc.property(arbitraryCalls, (calls) => {
          for (const sample of samplesOf(calls, layout)) {
            const masked = new Uint8Array(sample.tokens.length);
            for (const { start, end } of sample.segments) masked.fill(1, start, end);
            expect(sample.lossMask).toEqual(masked);
            expect(sample.lossMask[0]).toBe(0);
            sample.lossMask.forEach((bit, t) => {
              if (bit === 0)
                expect([sample.logprobs[t], sample.advantages[t], sample.tokenAdvantages[t]]).toEqual([0, 0, 0]);
            });
          }
        }),
      );
    },
  );

  it('makes no sample longer than the longest call, no sample that trains nothing, and no more samples than calls', () => {
    fc.assert(
      fc.property(arbitraryCalls, (calls) => {
        const samples = samplesOf(calls, 'trajectory');
        expect(samples.length).toBeLessThanOrEqual(calls.length);
        expect(Math.max(...samples.map(({ tokens }) => tokens.length))).toBe(
          Math.max(...calls.map(({ prompt, response }) => prompt.length + response.length)),
        );
        for (const sample of samples) expect(sample.segments.length).toBeGreaterThan(0);
      }),
    );
  });

  it.each([
    [{ prompt: [], response: [1] }, /prompt has no tokens/],
    [{ prompt: [1], response: [] }, /response has no tokens/],
    [{ prompt: [1], response: [1, 2], logprobs: [-1] }, /1 log-probabilities for 2 response tokens/],
    [{ prompt: [1], response: [1], logprobs: [-Infinity] }, /log-probability 0 is -Infinity/],
    [{ prompt: [1], response: [1], logprobs: [Number.NaN] }, /log-probability 0 is NaN/],
    [{ prompt: [1], response: [1], logprobs: [0.5] }, /log-probability 0 is 0.5/],
    [{ prompt: [-1], response: [1] }, /token id is negative/],
  ])('refuses %j, naming the call', (call, message) => {
    expect(() => samplesOf([call], 'transition')).toThrow(message);
    expect(() => samplesOf([call], 'transition')).toThrow(/call 0 \(span 0\) of rollout a/);
  });
});
