import { describe, expect, it } from 'vitest';
import { findProblems } from './find-problems.ts';
import { listShippedDependencies, type LockFile } from './shipped-dependencies.ts';

const lock: LockFile = {
  packages: {
    'packages/a': { dependencies: { '@ours/b': '1.0.0', x: '1.0.0' } },
    'packages/b': { dependencies: { y: '1.0.0' }, optionalDependencies: { absent: '1.0.0' } },
    'node_modules/@ours/b': { link: true, resolved: 'packages/b' },
    'node_modules/x': { version: '1.0.0', license: 'MIT', dependencies: { y: '2.0.0' } },
    'node_modules/x/node_modules/y': { version: '2.0.0', license: '(GPL-3.0 OR MIT)' },
    'node_modules/y': { version: '1.0.0', license: 'GPL-3.0', hasInstallScript: true },
    'node_modules/vitest': { version: '5.0.0', license: 'MIT' },
  },
};

describe('the dependencies of our packages', () => {
  it('are found as Node finds them, through links, without what only development needs', () => {
    const dependencies = listShippedDependencies(lock, ['packages/a']);
    expect(dependencies.map(({ name, version, askedBy }) => [name, version, askedBy])).toEqual([
      ['x', '1.0.0', 'packages/a'],
      ['y', '1.0.0', '@ours/b'],
      ['y', '2.0.0', 'x'],
    ]);
  });

  it('are refused for their licence, and for a script at their installation', () => {
    expect(findProblems(listShippedDependencies(lock, ['packages/a']))).toEqual([
      'y@1.0.0, which @ours/b asks for, has the licence GPL-3.0, which is not on the list',
      'y@1.0.0, which @ours/b asks for, runs a script when it is installed',
    ]);
  });

  it('without a licence are refused', () => {
    const nameless = { name: 'z', version: '1', license: undefined, hasInstallScript: false, askedBy: 'a' };
    expect(findProblems([nameless])).toHaveLength(1);
    expect(findProblems([{ ...nameless, license: 'MIT AND GPL-3.0' }])).toHaveLength(1);
    expect(findProblems([{ ...nameless, license: 'MIT AND ISC' }])).toEqual([]);
  });

  it('must be in the lock file', () => {
    expect(() =>
      listShippedDependencies({ packages: { 'packages/a': { dependencies: { q: '1' } } } }, ['packages/a']),
    ).toThrow('package-lock.json has no q, which packages/a needs');
  });
});
