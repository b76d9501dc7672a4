import { matchesAgent } from '@agent-lightning/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AgentOptions } from './agent-options.ts';
import { addWrapper, joinWrappers, selectAgent } from './select-agent.ts';

const name = fc.constantFrom('plan', 'write', 'check');
const wrapper: fc.Arbitrary<AgentOptions> = fc.oneof(
  fc.constant({}),
  fc.record({
    agentMatch: fc.oneof(name, fc.array(name, { minLength: 1 }), fc.constantFrom(/plan/, /write|check/, /x/)),
  }),
);
const wrappers = fc.array(wrapper, { maxLength: 5 });
const names = fc.array(name, { maxLength: 2 });

/** A wrapper as the user wrote it. */
const written = ({ agentMatch }: AgentOptions): string =>
  agentMatch instanceof RegExp ? String(agentMatch) : JSON.stringify(agentMatch ?? null);

const isSelected = (agent: readonly string[], around: readonly AgentOptions[]): boolean =>
  selectAgent(agent, around).isSelected;

/** The rule as it is told: each wrapper decides, or asks the next one further out. */
function decideFrom(agent: readonly string[], [innermost, ...outer]: readonly AgentOptions[]): boolean {
  if (innermost === undefined) return false;
  const { agentMatch } = innermost;
  if (agentMatch !== undefined) return matchesAgent(agent, agentMatch) || decideFrom(agent, outer);
  return outer.every((wrapper) => wrapper.agentMatch === undefined) || decideFrom(agent, outer);
}

describe('selectAgent', () => {
  it.each<[string, readonly AgentOptions[], boolean]>([
    ['nobody wrapped', [], false],
    ['one wrapper selects every agent of', [{}], true],
    ['one wrapper matches', [{ agentMatch: 'write' }], true],
    ['one wrapper does not match', [{ agentMatch: 'plan' }], false],
    ['the inner wrapper matches', [{ agentMatch: 'write' }, { agentMatch: 'plan' }], true],
    [
      'the inner wrapper does not match, and the outer one does',
      [{ agentMatch: 'plan' }, { agentMatch: 'write' }],
      true,
    ],
    ['neither matches', [{ agentMatch: 'plan' }, { agentMatch: 'check' }], false],
    ['the inner wrapper leaves to an outer one that matches', [{}, { agentMatch: 'write' }], true],
    ['the inner wrapper leaves to an outer one that does not match', [{}, { agentMatch: 'plan' }], false],
    ['the inner wrapper does not match, and the outer one selects every agent of', [{ agentMatch: 'plan' }, {}], true],
    ['two wrappers select every agent of', [{}, {}], true],
  ])('decides about an agent that %s', (_who, around, expected) => {
    expect(isSelected(['write'], around)).toBe(expected);
  });

  it('says which agentMatch selected the agent, and which were asked before', () => {
    const around = [{ agentMatch: /plan/ }, {}, { agentMatch: 'check' }, { agentMatch: 'write' }, { agentMatch: /w/ }];
    expect(selectAgent(['write'], around)).toEqual({ isSelected: true, match: 'write', unmatched: [/plan/, 'check'] });
    expect(selectAgent(['x'], [{ agentMatch: /plan/ }, {}])).toEqual({
      isSelected: true,
      match: undefined,
      unmatched: [/plan/],
    });
  });

  it('decides what the rule says, one wrapper after the other', () => {
    fc.assert(fc.property(names, wrappers, (agent, around) => isSelected(agent, around) === decideFrom(agent, around)));
  });
});

describe('joinWrappers', () => {
  it('decides what the inner wrappers followed by the outer ones decide', () => {
    fc.assert(
      fc.property(names, wrappers, wrappers, (agent, inner, outer) => {
        // Lists that begin alike are one object's, reported a wrapper at a time: the next test.
        fc.pre(inner.length === 0 || outer.length === 0 || written(inner[0]!) !== written(outer[0]!));
        expect(isSelected(agent, joinWrappers(inner, outer))).toBe(decideFrom(agent, [...inner, ...outer]));
      }),
    );
  });

  it('adds nothing when the same wrappers are reported again, in whatever order', () => {
    fc.assert(
      fc.property(wrappers, wrappers, (inner, outer) => {
        const joined = joinWrappers(inner, outer);
        expect(joinWrappers(inner, joined)).toBe(joined);
        expect(joinWrappers(outer, joined)).toBe(joined);
      }),
    );
  });

  it('takes the longer one of two lists of which one begins the other', () => {
    const [every, plan] = [{}, { agentMatch: 'plan' }];
    expect(joinWrappers([every, plan], [every])).toEqual([every, plan]);
  });

  it('keeps the first wrapper innermost of an object whose wrappers are reported one by one', () => {
    const [first, second, outer] = [{ agentMatch: 'a' }, { agentMatch: 'b' }, { agentMatch: 'c' }];
    expect(joinWrappers([first, second], joinWrappers([first], [outer]))).toEqual([first, second, outer]);
  });
});

describe('addWrapper', () => {
  it('decides what the wrapper around the others decides', () => {
    fc.assert(
      fc.property(names, wrapper, wrappers, (agent, added, inner) => {
        expect(isSelected(agent, addWrapper(added, inner))).toBe(decideFrom(agent, [...inner, added]));
      }),
    );
  });

  it('gathers nothing when an object is wrapped in a loop', () => {
    const once = addWrapper({ agentMatch: /a/ }, addWrapper({ agentMatch: 'b' }, []));
    expect(addWrapper({ agentMatch: /a/ }, addWrapper({ agentMatch: 'b' }, once))).toHaveLength(2);
  });
});
