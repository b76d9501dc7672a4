import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chunkDatums, chunkLimits, mergeOutputs } from './chunks.ts';
import { toModelInput, type Datum, type PassOutput } from './protocol.ts';

const datumOf = (length: number): Datum => ({ model_input: toModelInput(new Int32Array(length)), loss_fn_inputs: {} });

describe('chunkDatums', () => {
  it('keeps the order, and no request larger than it may be', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(200), { maxLength: 60 }),
        fc.record({ maxDatums: fc.integer({ min: 1, max: 10 }), maxBytes: fc.integer({ min: 50, max: 2_000 }) }),
        (lengths, limits) => {
          const datums = lengths.map(datumOf);
          const chunks = chunkDatums(datums, limits);
          expect(chunks.flat()).toEqual(datums);
          for (const chunk of chunks) {
            expect(chunk.length).toBeGreaterThan(0);
            expect(chunk.length).toBeLessThanOrEqual(limits.maxDatums);
            if (chunk.length > 1) expect(JSON.stringify(chunk).length - 1).toBeLessThanOrEqual(limits.maxBytes);
          }
        },
      ),
    );
  });

  it('fills a request before it begins another', () => {
    const chunks = chunkDatums(Array.from({ length: 2_049 }, () => datumOf(1)));
    expect(chunks.map((chunk) => chunk.length)).toEqual([chunkLimits.maxDatums, chunkLimits.maxDatums, 1]);
  });
});

describe('mergeOutputs', () => {
  const output = (datums: number, metrics: Record<string, number>): PassOutput => ({
    logprobs: Array.from({ length: datums }, () => [-datums]),
    metrics,
  });

  it('merges each metric as its suffix says, means by the number of datums', () => {
    const merged = mergeOutputs([
      output(1, {
        'a:sum': 1,
        'a:mean': 4,
        'a:min': 1,
        'a:max': 1,
        'a:slack': 4,
        'a:last': 1,
        same: 3,
        other: 1,
        'only:sum': 1,
      }),
      output(3, { 'a:sum': 2, 'a:mean': 8, 'a:min': 2, 'a:max': 2, 'a:slack': 8, 'a:last': 2, same: 3, other: 2 }),
    ]);
    expect(merged.logprobs).toEqual([[-1], [-3], [-3], [-3]]);
    expect(merged.metrics).toEqual({
      'a:sum': 3,
      'a:mean': 7,
      'a:min': 1,
      'a:max': 2,
      'a:slack': 1, // the largest less the mean
      'a:last': 2,
      same: 3,
    });
  });
});
