import { describe, expect, it } from 'vitest';
import { episodeOf } from '../../test/__fixtures__/episodes.ts';
import type { StepSignal } from '../transitions/transition.ts';
import { defaultIntermediateRules, intermediateRewards } from './intermediate-rewards.ts';

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
      ({ name }) => (name === 'sql' ? 0.25 : 0),
    );
    expect([...named]).toEqual([0.25]);
  });

  it('refuses worth that is no number of a size to train on, naming the signal', () => {
    expect(() => intermediateRewards(episode, { toolError: Number.NaN })).toThrow(/signal tool_error "sql" is NaN/);
    expect(() => intermediateRewards(episode, () => Infinity)).toThrow(/signal tool_ok "sql" is Infinity/);
    expect(() => intermediateRewards(episode, () => -1e10)).toThrow(/signal tool_ok "sql" is -10000000000/);
  });
});
