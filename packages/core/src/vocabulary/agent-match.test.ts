import { describe, expect, it } from 'vitest';
import { describeAgentMatch, matchesAgent } from './agent-match.ts';

describe('matchesAgent', () => {
  it.each([
    ['write', ['write'], true],
    ['write', ['rewrite', 'graph/write'], false],
    ['graph/write', ['write', 'graph/write'], true],
    [['write', 'check'], ['check'], true],
    [['write', 'check'], ['rewrite'], false],
    [/write/g, ['rewrite'], true],
    [/^write$/, ['rewrite'], false],
    [undefined, ['write'], true],
  ])('tests %o against %o: %o', (match, names, expected) => {
    expect(matchesAgent(names, match)).toBe(expected);
  });
});

it('writes a match as the user wrote it', () => {
  const given = [/write/gi, 'write', ['write', 'check']];
  expect(given.map(describeAgentMatch)).toEqual(['/write/gi', '"write"', '["write","check"]']);
});
