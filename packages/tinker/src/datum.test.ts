import type { TrainingSample } from '@agent-lightning/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toDatum, toForwardDatum, toSampleNumbers } from './datum.ts';

const samples = fc
  .array(
    fc.record({
      token: fc.nat(150_000),
      mask: fc.constantFrom(0, 1),
      logprob: fc.float({ noNaN: true, noDefaultInfinity: true }),
      advantage: fc.float({ noNaN: true, noDefaultInfinity: true }),
    }),
    { minLength: 2, maxLength: 20 },
  )
  .map((entries): TrainingSample => {
    const masked = entries.map((entry, t) => (t === 0 ? { ...entry, mask: 0 } : entry));
    return {
      tokens: Int32Array.from(masked, ({ token }) => token),
      lossMask: Uint8Array.from(masked, ({ mask }) => mask),
      logprobs: Float32Array.from(masked, ({ logprob, mask }) => (mask === 0 ? 0 : logprob)),
      advantages: Float32Array.from(masked, ({ advantage, mask }) => (mask === 0 ? 0 : advantage)),
    };
  });

describe('toDatum', () => {
  it('shifts by one: position i of a datum is about predicting token i + 1', () => {
    const sample: TrainingSample = {
      tokens: Int32Array.of(7, 8, 9),
      lossMask: Uint8Array.of(0, 0, 1),
      logprobs: Float32Array.of(0, 0, -0.5),
      advantages: Float32Array.of(0, 0, 2),
    };
    const floats = (...data: number[]): object => ({ data, dtype: 'float32', shape: [2] });
    expect(toDatum(sample, 'ppo')).toEqual({
      model_input: { chunks: [{ type: 'encoded_text', tokens: [7, 8] }] },
      loss_fn_inputs: {
        target_tokens: { data: [8, 9], dtype: 'int64', shape: [2] },
        logprobs: floats(0, -0.5),
        advantages: floats(0, 2),
      },
    });
    expect(toDatum(sample, 'cross_entropy', true).loss_fn_inputs).toEqual({
      target_tokens: { data: [8, 9], dtype: 'int64', shape: [2] },
      weights: floats(0, 2),
      mask: floats(0, 1),
    });
    expect(toDatum({ ...sample, temperature: 0.5 }, 'ppo').loss_fn_inputs).toMatchObject({
      temperature: floats(0.5, 0.5),
    });
    expect(toForwardDatum({ ...sample, temperature: 0.5 }).loss_fn_inputs).toMatchObject({
      temperature: floats(0.5, 0.5),
    });
    expect(toForwardDatum(sample).loss_fn_inputs['weights']).toEqual(floats(0, 1));
    expect(toSampleNumbers(sample, [-9, -3])).toEqual(Float32Array.of(0, 0, -3));
    expect(toSampleNumbers(sample, [null, null])).toEqual(Float32Array.of(0, 0, Number.NaN));
  });

  it('keeps every token and every number to the last bit', () => {
    fc.assert(
      fc.property(samples, (sample) => {
        const datum = JSON.parse(JSON.stringify(toDatum(sample, 'importance_sampling'))) as ReturnType<typeof toDatum>;
        const { target_tokens: targets, logprobs, advantages } = datum.loss_fn_inputs;
        const input = datum.model_input.chunks[0]!.tokens;
        expect([input[0], ...targets!.data]).toEqual([...sample.tokens]);
        expect([...input, targets!.data.at(-1)]).toEqual([...sample.tokens]);
        const bits = (values: Iterable<number>): number[] => [...new Float32Array(values)].map((value) => value + 0);
        expect(bits([0, ...advantages!.data])).toEqual(bits(sample.advantages));
        expect(bits([0, ...logprobs!.data])).toEqual(bits(sample.logprobs));
      }),
    );
  });

  it('shows nothing of what the mask hides', () => {
    fc.assert(
      fc.property(samples, fc.float({ noNaN: true, noDefaultInfinity: true }), (sample, noise) => {
        const noisy = {
          ...sample,
          advantages: sample.advantages.map((value, t) => (sample.lossMask[t] === 0 ? noise : value)),
        };
        expect(toDatum(noisy, 'ppo')).toEqual(toDatum(sample, 'ppo'));
      }),
    );
  });

  it('gets back what the server says of trained tokens, and 0 elsewhere', () => {
    fc.assert(
      fc.property(samples, (sample) => {
        const answer = Array.from({ length: sample.tokens.length - 1 }, (_, i) => -1 - i);
        const logprobs = toSampleNumbers(sample, answer)!;
        logprobs.forEach((value, t) => expect(value).toBe(sample.lossMask[t] === 0 ? 0 : -t));
        expect(toSampleNumbers(sample, answer.slice(1))).toBeUndefined();
      }),
    );
  });
});
