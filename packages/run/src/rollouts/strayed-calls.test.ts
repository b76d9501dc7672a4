import { attributeNames, type Attributes, type Span } from '@agent-lightning/core';
import { describe, expect, it } from 'vitest';
import { markStrayedCalls } from './strayed-calls.ts';

let count = 0;

function call(rolloutId: string, source: 'gateway' | 'framework', responseId?: string): Span {
  const attributes: Attributes = {
    [attributeNames.source]: source,
    ...(responseId !== undefined && { [attributeNames.responseId]: responseId }),
  };
  return { rolloutId, kind: 'model_call', sequenceId: ++count, attributes } as unknown as Span;
}

const reasonsOf = (spans: readonly Span[]): unknown[] =>
  markStrayedCalls(spans).map(({ attributes }) => attributes[attributeNames.untrainable]);

describe('a call of one rollout that a shared queue started in another', () => {
  it('must not be trained on, and names the rollout that made it and what to do', () => {
    const spans = [
      call('b', 'gateway', 'x'),
      call('b', 'gateway', 'y'),
      call('b', 'framework', 'y'),
      call('a', 'framework', 'x'),
    ];
    const [reason, ...others] = reasonsOf(spans);
    expect(reason).toMatch(/the agent of rollout a made this call: .*bindToRollout/);
    expect(others).toEqual([undefined, undefined, undefined]);
    expect(reasonsOf([call('b', 'gateway', 'x'), call('a', 'framework', 'x'), call('c', 'framework', 'x')])[0]).toMatch(
      /rollouts a and c made/,
    );
  });

  it.each([
    ['each rollout’s own', [call('a', 'gateway', 'x'), call('a', 'framework', 'x')]],
    [
      'an answer that both report, such as from a cache',
      [call('a', 'gateway', 'x'), call('a', 'framework', 'x'), call('b', 'framework', 'x')],
    ],
    ['a call that no framework reports', [call('a', 'gateway', 'x'), call('b', 'framework', 'y')]],
    ['calls without an id', [call('a', 'gateway'), call('b', 'framework')]],
  ])('is none of these: %s', (_what, spans) => {
    expect(markStrayedCalls(spans)).toEqual(spans);
  });
});
