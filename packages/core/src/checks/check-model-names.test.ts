import { describe, expect, it } from 'vitest';
import { checkModelNames } from './check-model-names.ts';

describe('checkModelNames', () => {
  it('takes whole names and patterns, and keeps them from later changes', () => {
    const given = ['gpt-4o-mini', 'openai/gpt-4o', 'anthropic.claude-v2:0', /./];
    const checked = checkModelNames('answersTo', given);
    given.push('late');
    expect(checked).toEqual(['gpt-4o-mini', 'openai/gpt-4o', 'anthropic.claude-v2:0', /./]);
  });

  it.each([
    ['gpt-4o', /answersTo must be a list/],
    [[''], /answersTo\[0\] must be a regular expression/],
    [['a', 7], /answersTo\[1\] must be a name such as "gpt-4o-mini"/],
    [[['a', 'b']], /answersTo\[0\] must be a name/],
    [['gpt-.*'], /answersTo\[0\] "gpt-\.\*" is a text.*write the regular expression \/gpt-\.\*\//],
  ])('refuses %j', (given, message) => {
    expect(() => checkModelNames('answersTo', given as string[])).toThrow(message);
  });
});
