import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readReward, rewardAttributes, type RewardScope, type RewardValue } from './reward-span.ts';

const span = (attributes: ReturnType<typeof rewardAttributes>) => ({
  kind: 'reward' as const,
  spanId: '00000000000000ab',
  attributes,
});

describe('rewardAttributes', () => {
  it('names a plain number primary and scopes it to the rollout', () => {
    expect(rewardAttributes(0.5)).toEqual({
      'agentlightning.reward.scope': 'rollout',
      'agentlightning.reward.0.name': 'primary',
      'agentlightning.reward.0.value': 0.5,
    });
  });

  it('puts the primary dimension first and keeps the order of the others', () => {
    const read = readReward(span(rewardAttributes({ speed: 1, cost: 2, accuracy: 3 }, { primary: 'accuracy' })));
    expect(read?.dimensions.map(({ name }) => name)).toEqual(['accuracy', 'speed', 'cost']);
  });

  it.each<[unknown, RegExp]>([
    [Number.NaN, /"primary" must be a number from -1e9 to 1e9; got NaN/],
    [{ fast: 1, right: Number.POSITIVE_INFINITY }, /"right" must be a number from -1e9 to 1e9; got Infinity/],
    [-Number.MAX_VALUE, /"primary" must be a number from -1e9 to 1e9; got -1.79/],
    [-1e200, /got -1e\+200/],
    [{ right: 1.1e9 }, /"right" must be a number from -1e9 to 1e9; got 1100000000/],
    [{ right: '1' }, /"right" must be a number from -1e9 to 1e9; got "1" \(string\)/],
    [{ right: 2n }, /"right" must be a number from -1e9 to 1e9; got 2n \(bigint\)/],
    [{ right: [2n] }, /"right" must be a number from -1e9 to 1e9; got an array \(object\)/],
    [{ right: { deep: 1 } }, /"right" must be a number from -1e9 to 1e9; got \{"deep":1\} \(object\)/],
    [[1], /must be a number, a boolean, or an object of named ones; got an array/],
    [{ feedback: 'the sum is off by one' }, /at least one dimension that is a number or a boolean; got \{"feedback"/],
    [null, /"primary"/],
    [undefined, /"primary"/],
    [{}, /at least one dimension/],
    [{ '': 1 }, /empty name/],
  ])('refuses %o', (value, message) => {
    expect(() => rewardAttributes(value as number)).toThrow(message);
    expect(() => rewardAttributes(value as number)).toThrow(expect.objectContaining({ code: 'reward-invalid' }));
  });

  it('counts a boolean as 1 or 0, alone and as a dimension', () => {
    expect(rewardAttributes(true)).toEqual(rewardAttributes(1));
    expect(rewardAttributes(false)).toEqual(rewardAttributes(0));
    expect(rewardAttributes({ right: true, short: false, style: 0.5 })).toEqual(
      rewardAttributes({ right: 1, short: 0, style: 0.5 }),
    );
  });

  it('keeps a text named feedback beside the dimensions, as every store takes it', () => {
    const read = (value: RewardValue) => readReward(span(rewardAttributes(value)));
    expect(read({ right: false, feedback: 'off by one' })).toEqual({
      scope: 'rollout',
      dimensions: [{ name: 'right', value: 0 }],
      feedback: 'off by one',
    });
    expect(read({ feedback: 'a\0b\uD800', right: 1 })?.feedback).toBe('a\uFFFDb\uFFFD');
    expect(read({ feedback: 'x'.repeat(70_000), right: 1 })?.feedback).toMatch(/x… \(70000 characters in all\)$/);
    expect(read({ feedback: 0.5 })?.dimensions).toEqual([{ name: 'feedback', value: 0.5 }]);
    expect(() => rewardAttributes({ right: 1, feedback: 'no' }, { primary: 'feedback' })).toThrow(
      /not among the given/,
    );
  });

  it('refuses a primary dimension that was not given', () => {
    expect(() => rewardAttributes({ a: 1 }, { primary: 'b' })).toThrow(/"b" is not among the given ones \(a\)/);
  });

  it('refuses a scope without a target', () => {
    expect(() => rewardAttributes(1, { scope: { agent: '' } })).toThrow(/scope is/);
  });
});

describe('readReward', () => {
  it('reads back what was written', () => {
    const scopes = fc.oneof<fc.Arbitrary<RewardScope>[]>(
      fc.constant('rollout' as const),
      fc.record({ agent: fc.string({ minLength: 1 }) }),
      fc.record({ span: fc.string({ minLength: 1 }) }),
    );
    const values = fc.dictionary(
      fc.string({ minLength: 1 }).filter((name) => name !== '__proto__'),
      fc.double({ noNaN: true, min: -1e9, max: 1e9 }),
      { minKeys: 1 },
    );
    fc.assert(
      fc.property(values, scopes, (value, scope) => {
        const read = readReward(span(rewardAttributes(value, { scope })));
        expect(read?.dimensions).toEqual(Object.entries(value).map(([name, each]) => ({ name, value: each })));
        const target = scope === 'rollout' ? undefined : 'agent' in scope ? scope.agent : scope.span;
        expect([read?.scope, read?.target]).toEqual([
          scope === 'rollout' ? 'rollout' : 'agent' in scope ? 'agent' : 'span',
          target,
        ]);
      }),
    );
  });

  it('is undefined for other spans', () => {
    expect(readReward({ kind: 'message', spanId: '00000000000000ab', attributes: {} })).toBeUndefined();
  });

  it('takes a reward without a scope as the rollout’s', () => {
    const read = readReward(span({ 'agentlightning.reward.0.name': 'late', 'agentlightning.reward.0.value': 1 }));
    expect(read).toEqual({ scope: 'rollout', dimensions: [{ name: 'late', value: 1 }] });
  });

  it.each([
    [{}, /holds no dimension/],
    [{ 'agentlightning.reward.0.value': 1 }, /dimension 0 has no name/],
    [{ 'agentlightning.reward.0.name': 'a' }, /"a" must be a number from -1e9 to 1e9/],
    [{ ...rewardAttributes(1), 'agentlightning.reward.scope': 'agent' }, /scope "agent" for undefined/],
    [{ ...rewardAttributes(1), 'agentlightning.reward.scope': 'galaxy' }, /scope "galaxy"/],
  ])('names what is malformed in %j', (attributes, message) => {
    expect(() => readReward(span(attributes))).toThrow(message);
  });
});
