import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  AilmentWatch,
  type Ailment,
  type RunHistory,
  type StepMetrics,
  type ValidationMetrics,
} from '../../src/index.ts';
import { createLine, createLines, createReward, plainFacts } from './lines.ts';

/** Says what its size is in each step. */
function createSized(sizes: readonly number[], cause = 'a'): Ailment<StepMetrics> {
  return {
    code: 'sized',
    detect: ({ recent }) => {
      const size = sizes[(recent.at(-1)?.step ?? 0) - 1] ?? 0;
      return size === 0 ? undefined : { size, cause, message: `size ${size}` };
    },
  };
}

describe('AilmentWatch', () => {
  it('tells an ailment once, and again when it has grown by half', () => {
    const watch = new AilmentWatch([createSized([0, 2, 2, 2.9, 3, 3, 0, 2, 4.5])], plainFacts);
    const told = createLines(9, () => ({})).map((line) => watch.observe(line).told.map(({ message }) => message));
    expect(told).toEqual([[], ['size 2'], [], [], ['size 3'], [], [], [], ['size 4.5']]);
    expect(watch.findings).toEqual([{ code: 'sized', step: 2, message: 'size 4.5' }]);
  });

  it('has the codes of the ailments that the run has now', () => {
    const watch = new AilmentWatch([createSized([0, 2, 0])], plainFacts);
    expect(createLines(3, () => ({})).map((line) => watch.observe(line).codes)).toEqual([[], ['sized'], []]);
  });

  it('tells an ailment of two causes twice', () => {
    const watch = new AilmentWatch([createSized([1], 'writer'), createSized([1], 'planner')], plainFacts);
    expect(watch.observe(createLine(1)).told).toHaveLength(2);
  });

  it('comes to the same state from the lines of an interrupted run', () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 2, maxLength: 40 });
    fc.assert(
      fc.property(sizes, fc.nat(39), (given, at) => {
        const lines = createLines(given.length, () => ({}));
        const whole = new AilmentWatch([createSized(given)], plainFacts);
        for (const line of lines.slice(0, at)) whole.observe(line);
        const resumed = new AilmentWatch([createSized(given)], plainFacts);
        for (const line of lines.slice(0, at)) resumed.observe(line);
        for (const line of lines.slice(at)) expect(resumed.observe(line)).toEqual(whole.observe(line));
      }),
    );
  });

  it('gives detectors a history of bounded size, with the first and the newest steps and validations', () => {
    let seen: RunHistory<StepMetrics> | undefined;
    const look: Ailment<StepMetrics> = { code: 'look', detect: (history) => void (seen = history) as undefined };
    const watch = new AilmentWatch([look], plainFacts);
    const validation: ValidationMetrics = {
      reward: 0.5,
      rollouts: 4,
      failed: 0,
      leftOut: 0,
      interval: [0, 1],
      byKind: {},
      complete: true,
    };
    watch.begin(validation);
    for (const line of createLines(500, () => ({ validation }))) watch.observe(line);
    expect(seen!.first.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(seen!.recent.map(({ step }) => step)).toEqual(Array.from({ length: 32 }, (_, index) => 469 + index));
    expect(seen!.heldOut.map(({ step }) => step)).toEqual([
      0,
      ...Array.from({ length: 15 }, (_, index) => 486 + index),
    ]);
    expect(seen!.rewardRange).toEqual([0, 1]);
  });

  it('counts in a validation only the rollouts that are not left out', () => {
    let seen: RunHistory<StepMetrics> | undefined;
    const look: Ailment<StepMetrics> = { code: 'look', detect: (history) => void (seen = history) as undefined };
    const watch = new AilmentWatch([look], plainFacts);
    const validation = { reward: 0.5, failed: 3, interval: [0, 1], byKind: {}, complete: true } as const;
    watch.begin({ ...validation, rollouts: 8, leftOut: 3 });
    watch.observe({ ...createLines(1, () => ({}))[0]!, validation: { ...validation, rollouts: 8, leftOut: 2 } });
    expect(seen!.heldOut.map(({ step, rollouts }) => [step, rollouts])).toEqual([
      [0, 5],
      [1, 6],
    ]);
  });

  it('takes a second line of the newest step for the first', () => {
    const watch = new AilmentWatch([], plainFacts);
    const lines = createLines(8, (step) => ({ reward: createReward(0.1 * step) }));
    watch.begin({ reward: 0.9, rollouts: 64, failed: 0, leftOut: 0, interval: [0, 1], byKind: {}, complete: true });
    for (const line of lines) expect(watch.observe(line).codes).toEqual([]);
    const validation: ValidationMetrics = {
      reward: 0.1,
      rollouts: 64,
      failed: 0,
      leftOut: 0,
      interval: [0, 1],
      byKind: {},
      complete: true,
    };
    expect(watch.observe({ ...lines.at(-1)!, validation }).codes).toEqual(['held-out-falls']);
  });
});
