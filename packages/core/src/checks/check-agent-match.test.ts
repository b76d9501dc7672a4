import { describe, expect, it } from 'vitest';
import { matchesAgent } from '../vocabulary/agent-match.ts';
import { checkAgentMatch } from './check-agent-match.ts';

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
    expect(checkAgentMatch('agentMatch', name)).toBe(name);
    expect(checkAgentMatch('agentMatch', [name])).toEqual([name]);
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
    const error = thrownBy(() => checkAgentMatch('agentMatch', text));
    expect(error).toMatchObject(refusal);
    expect(error.message).toContain(`${JSON.stringify(text)} is a text`);
    expect(error.message).toContain(`write the regular expression ${pattern}, or, where`);
    expect(error.message.endsWith(name)).toBe(true);
    expect(() => checkAgentMatch('agentMatch', ['write', text])).toThrow(error.message);
  });

  it.each([[7], [''], [[]], [['write', '']], [['write', /check/]], [{ agents: 'none' }], [null]])(
    'refuses %o',
    (given) => {
      expect(() => checkAgentMatch('agentMatch', given)).toThrow(
        /agentMatch must be a regular expression such as \/write\|rewrite\/, a whole name such as "write", or an array/,
      );
    },
  );

  it('is not changed by what the caller changes later', () => {
    const names = ['write'];
    const checked = checkAgentMatch('agentMatch', names);
    names.push('check');
    expect(matchesAgent(['check'], checked)).toBe(false);
  });
});

function thrownBy(work: () => unknown): Error {
  try {
    work();
  } catch (error) {
    return error as Error;
  }
  throw new TypeError('nothing was thrown');
}
