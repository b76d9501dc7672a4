import { describe, expect, it } from 'vitest';
import {
  checkAgentMatch,
  describeAgentMatch,
  everyAgent,
  matchesAgent,
  noAgent,
  selectsNoAgent,
} from './agent-match.ts';
import { agentOptions } from './agent-options.ts';

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

describe('checkAgentMatch', () => {
  it.each([
    'write_query',
    'SQL writer',
    'gpt-4.1',
    'desk/draft',
    'billing: refunds',
    'agent@2',
    'Schreiber für Größe',
    '客服',
  ])('takes the name %o as it is', (name) => {
    expect(checkAgentMatch(name)).toBe(name);
    expect(agentOptions({ agentMatch: [name] })).toEqual({ agentMatch: [name] });
  });

  it.each([
    ['write|rewrite', '/write|rewrite/', '/^write\\|rewrite$/'],
    ['.*', '/.*/', '/^\\.\\*$/'],
    ['^write$', '/^write$/', '/^\\^write\\$$/'],
    ['desk/(a|b)', '/desk\\/(a|b)/', '/^desk\\/\\(a\\|b\\)$/'],
    ['write[', '/^write\\[$/', '/^write\\[$/'],
    ['\\w', '/\\w/', '/^\\\\w$/'],
  ])('refuses the pattern %o that is a text, and writes it as a regular expression', (text, pattern, name) => {
    const refusal = { name: 'ConfigurationError', code: 'option-invalid', message: expect.any(String) };
    const error = thrownBy(() => checkAgentMatch(text));
    expect(error).toMatchObject(refusal);
    expect(error.message).toContain(`${JSON.stringify(text)} is a text`);
    expect(error.message).toContain(`write the regular expression ${pattern}, or, where`);
    expect(error.message.endsWith(name)).toBe(true);
    expect(() => checkAgentMatch(['write', text])).toThrow(error.message);
  });

  it.each([[7], [''], [[]], [['write', '']], [['write', /check/]], [{ agents: 'none' }], [null]])(
    'refuses %o',
    (given) => {
      expect(() => agentOptions({ agentMatch: given as never })).toThrow(
        /agentMatch must be a regular expression such as \/write\|rewrite\/, a whole name such as "write", or an array/,
      );
    },
  );

  it('is not changed by what the caller changes later', () => {
    const names = ['write'];
    const checked = checkAgentMatch(names);
    names.push('check');
    expect(matchesAgent(['check'], checked)).toBe(false);
  });
});

it('writes a selection as the user wrote it', () => {
  const given = [/write/gi, 'write', ['write', 'check'], everyAgent, undefined];
  expect(given.map(describeAgentMatch)).toEqual(['/write/gi', '"write"', '["write","check"]', undefined, undefined]);
});

function thrownBy(work: () => unknown): Error {
  try {
    work();
  } catch (error) {
    return error as Error;
  }
  throw new TypeError('nothing was thrown');
}
