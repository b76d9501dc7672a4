import { describe, expect, it } from 'vitest';
import { chooseCompanion, chooseEnd } from './choose-versions.ts';

const published = ['1.10.0', '1.4.0', '2.0.0', '1.9.1', '1.11.0-beta.1'];

describe('chooseEnd', () => {
  it.each([
    ['^1.4.0', 'lowest', '1.4.0'],
    ['^1.4.0', 'newest', '1.10.0'],
    ['>=1.5.0-0 <2.0.0-0', 'lowest', '1.9.1'],
    ['>=1.11.0-0 <2.0.0-0', 'newest', '1.11.0-beta.1'],
    ['^3.0.0', 'newest', undefined],
  ] as const)('of %s, %s, is %s', (range, end, expected) => {
    expect(chooseEnd(published, range, end)).toBe(expected);
  });
});

describe('chooseCompanion', () => {
  const companions = [
    { version: '1.0.0', peerDependencies: { core: '^1.1.0' } },
    { version: '1.2.0', peerDependencies: { core: '^1.1.0', other: '^9.0.0' } },
    { version: '1.6.0', peerDependencies: { core: '^1.2.0' } },
    { version: '1.7.0' },
  ];

  it('prefers the version of this repository, else takes the newest that allows the others', () => {
    expect(chooseCompanion(companions, '1.6.0', { core: '1.2.5' })).toBe('1.6.0');
    expect(chooseCompanion(companions.slice(0, 3), '1.6.0', { core: '1.1.48' })).toBe('1.2.0');
    expect(chooseCompanion(companions.slice(0, 3), '1.6.0', { core: '1.1.48', other: '8.0.0' })).toBe('1.0.0');
    expect(chooseCompanion(companions.slice(2, 3), '1.6.0', { core: '1.1.48' })).toBeUndefined();
  });
});
