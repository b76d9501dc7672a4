import { describe, expect, it } from 'vitest';
import { describeAgentMatch, everyAgent, matchesAgent, noAgent, selectsNoAgent } from './agent-match.ts';

describe('matchesAgent', () => {
  it.each([
    ['write', ['write'], true],
    ['write', ['rewrite', 'graph/write'], false],
    ['graph/write', ['write', 'graph/write'], true],
    [['write', 'check'], ['check'], true],
    [['write', 'check'], ['rewrite'], false],
    [/write/g, ['rewrite'], true],
    [/^write$/, ['rewrite'], false],
    [everyAgent, [], true],
    [noAgent, ['write'], false],
    [undefined, ['write'], true],
  ])('tests %o against %o: %o', (selection, names, expected) => {
    expect(matchesAgent(names, selection)).toBe(expected);
  });

  it('knows the rules of another copy of this package', () => {
    expect(selectsNoAgent({ agents: 'none' })).toBe(true);
    expect([everyAgent, 'none', /none/, undefined].map(selectsNoAgent)).toEqual([false, false, false, false]);
  });
});

it('writes a selection as the user wrote it', () => {
  const given = [/write/gi, 'write', ['write', 'check'], everyAgent, undefined];
  expect(given.map(describeAgentMatch)).toEqual(['/write/gi', '"write"', '["write","check"]', undefined, undefined]);
});
