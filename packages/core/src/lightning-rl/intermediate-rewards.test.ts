import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { episodeOf } from '../../test/__fixtures__/episodes.ts';
import type { StepSignal } from '../transitions/transition.ts';
import { buildBatch } from './algorithm.ts';
import { boundedRewards, defaultIntermediateRules, intermediateRewards, smallestGap } from './intermediate-rewards.ts';

const signal = (type: StepSignal['type'], name = 'sql'): StepSignal => ({ type, name, spanId: '1' });
const call = { prompt: [1], response: [2] };
const episode = episodeOf('a', 'g', 1, [
  { ...call, signals: [signal('tool_ok'), signal('tool_error')] },
  { ...call, signals: [signal('exception'), signal('parse_failure'), signal('length_stop')] },
  call,
]);

describe('intermediateRewards', () => {
  it('sums what each call’s signals are worth', () => {
    const rules = { toolOk: 0.5, toolError: -1, exception: -2, parseFailure: -4, lengthStop: -8 };
    expect([...intermediateRewards(episode, rules)]).toEqual([-0.5, -14, 0]);
  });

  it('fills rules that are not given with the documented defaults', () => {
    expect(defaultIntermediateRules).toEqual({
      toolOk: 0,
      toolError: -0.1,
      exception: -0.1,
      parseFailure: -0.1,
      lengthStop: -0.1,
    });
    expect([...intermediateRewards(episode)]).toEqual([-0.1, -0.1 + -0.1 + -0.1, 0]);
    expect([...intermediateRewards(episode, { toolError: 0 })]).toEqual([0, -0.1 + -0.1 + -0.1, 0]);
  });

  it('asks a function about each signal', () => {
    const named = intermediateRewards(
      episodeOf('a', 'g', 1, [{ ...call, signals: [signal('tool_ok', 'sql'), signal('tool_ok', 'search')] }]),
      { worth: ({ name }) => (name === 'sql' ? 0.25 : 0) },
    );
    expect([...named]).toEqual([0.25]);
  });

  it('refuses worth that is no number of a size to train on, naming the signal', () => {
    expect(() => intermediateRewards(episode, { toolError: Number.NaN })).toThrow(/signal tool_error "sql" is NaN/);
    expect(() => intermediateRewards(episode, { worth: () => Infinity })).toThrow(/signal tool_ok "sql" is Infinity/);
    expect(() => intermediateRewards(episode, { worth: () => -1e10 })).toThrow(/signal tool_ok "sql" is -10000000000/);
  });
});

describe('additive intermediate rewards', () => {
  const erring = (count: number) => ({ ...call, signals: Array.from({ length: count }, () => signal('tool_error')) });

  it('finds the smallest gap between outcomes that is none of noise', () => {
    expect(smallestGap([0, 1, 0.5, 0.5001, 0], 0.01, 1)).toBeCloseTo(0.4999, 12);
    expect(smallestGap([0, 0, 0], 0.01, 3)).toBe(3);
  });

  it('stay as they are while they are small, and add up to less than half of the gap', () => {
    expect([...boundedRewards(Float64Array.of(-0.1, 0.2), 1)]).toEqual([-0.1, 0.2]);
    expect([...boundedRewards(Float64Array.of(-1, 3), 1)]).toEqual([-0.1225, 0.3675]);
  });

  it('never make a worse outcome the better rollout, however many there are', () => {
    const rollout = fc.record({ reward: fc.constantFrom(0, 0.25, 1), errors: fc.integer({ min: 0, max: 60 }) });
    fc.assert(
      fc.property(fc.array(rollout, { minLength: 2, maxLength: 6 }), (shapes) => {
        const episodes = shapes.map(({ reward, errors }, index) =>
          episodeOf(`r${index}`, 'g', reward, [erring(errors)]),
        );
        const { returns } = buildBatch(episodes, {
          credit: 'identical',
          estimator: 'dr_grpo',
          samples: 'transition',
          tokenWeighting: 'rollout',
          intermediate: { kind: 'additive' },
        });
        shapes.forEach((one, a) =>
          shapes.forEach((other, b) => {
            if (one.reward > other.reward) expect(returns.get(`r${a}`)![0]).toBeGreaterThan(returns.get(`r${b}`)![0]!);
          }),
        );
      }),
    );
  });
});
