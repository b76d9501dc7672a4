import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readReward, rewardAttributes, type RewardScope } from './reward-span.ts';

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
    [true, /"primary" must be a number from -1e9 to 1e9; got true/],
    [null, /"primary"/],
    [undefined, /"primary"/],
    [{}, /at least one dimension/],
    [{ '': 1 }, /empty name/],
  ])('refuses %j', (value, message) => {
    expect(() => rewardAttributes(value as number)).toThrow(message);
    expect(() => rewardAttributes(value as number)).toThrow(expect.objectContaining({ code: 'reward-invalid' }));
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
