import { describe, expect, it } from 'vitest';
import { checkSameRun, describeConfig, type RunConfig } from './run-config.ts';

/** The configuration as a resumed run reads it. */
function kept(options: Readonly<Record<string, unknown>>): RunConfig {
  return JSON.parse(JSON.stringify(describeConfig(options, 'algorithm.'))) as RunConfig;
}

describe('the configuration of a run', () => {
  it.each([
    { rate: Infinity },
    { rate: NaN },
    { bounds: { low: 0.1, high: Infinity } },
    { sentences: ['a', 'b'] },
    { loss: (ratio: number) => ratio },
    { rules: { check: (text: string) => text } },
    { left: undefined },
    { on: false, name: 'x', count: 0 },
  ])('is the same when it was written and read: %o', (options) => {
    expect(() => checkSameRun('runs/a', kept(options), describeConfig(options, 'algorithm.'))).not.toThrow();
  });

  it.each([
    [{ rate: Infinity }, { rate: 1 }, /algorithm\.rate = Infinity, and this one has 1/],
    [
      { bounds: [Infinity] },
      { bounds: [-Infinity] },
      /algorithm\.bounds = \["Infinity"\], and this one has \["-Infinity"\]/,
    ],
    [{ rules: { check: () => 1 } }, { rules: { check: () => 2 } }, /algorithm\.rules/],
    [{}, { more: 1 }, /algorithm\.more = undefined, and this one has 1/],
    [{ less: 1 }, {}, /algorithm\.less = 1, and this one has undefined/],
  ])('is another one when an option differs: %o and %o', (before, after, message) => {
    expect(() => checkSameRun('runs/a', kept(before), describeConfig(after, 'algorithm.'))).toThrow(
      expect.objectContaining({ code: 'resume-mismatch', message: expect.stringMatching(message) }),
    );
  });
});
