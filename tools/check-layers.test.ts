import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { checkLayers } from './check-layers.ts';

const roots: string[] = [];

function workspace(files: Record<string, string>): string {
  const root = mkdtempSync(join(tmpdir(), 'layers-'));
  roots.push(root);
  const manifest = (name: string, layer: string, dependencies: string[] = []): string =>
    JSON.stringify({
      name,
      nx: { tags: [`layer:${layer}`] },
      dependencies: Object.fromEntries(dependencies.map((dependency) => [dependency, '1'])),
    });
  const all: Record<string, string> = {
    'package.json': JSON.stringify({ name: 'root', workspaces: ['packages/*'] }),
    'packages/core/package.json': manifest('@x/core', 'core'),
    'packages/core/src/index.ts': 'export const one = 1;\n',
    'packages/store/package.json': manifest('@x/store', 'store', ['@x/core', '@x/adapter']),
    'packages/store/src/index.ts': "import { one } from '@x/core';\n",
    'packages/adapter/package.json': manifest('@x/adapter', 'adapter', ['@x/core']),
    'packages/adapter/src/index.ts': "import { one } from '@x/core';\n",
    ...files,
  };
  for (const [path, content] of Object.entries(all)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  return root;
}

afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true });
});

describe('checkLayers', () => {
  it('accepts this repository', () => {
    expect(checkLayers(resolve(import.meta.dirname, '..'))).toEqual([]);
  });

  it('accepts imports that point at core', () => {
    expect(checkLayers(workspace({}))).toEqual([]);
  });

  it.each([
    [
      'a sideways import',
      { 'packages/store/src/index.ts': "import { a } from '@x/adapter';\n" },
      'may not import layer "adapter"',
    ],
    [
      'a deep import',
      { 'packages/store/src/index.ts': "import { a } from '@x/core/src/index.ts';\n" },
      'only package roots',
    ],
    [
      'an undeclared dependency',
      { 'packages/core/src/index.ts': "import { a } from 'left-pad';\n" },
      'does not declare',
    ],
    [
      'a path out of the package',
      { 'packages/store/src/index.ts': "import { a } from '../../core/src/index.ts';\n" },
      'outside its package',
    ],
    [
      'folders that import each other',
      {
        'packages/core/src/a/one.ts': "import type { Two } from '../b/two.ts';\n",
        'packages/core/src/b/two.ts': "import { three } from '../three.ts';\n",
        'packages/core/src/three.ts': "import { one } from './a/one.ts';\n",
      },
      'in a circle: a/one.ts imports b, b/two.ts imports three.ts, three.ts imports a',
    ],
    ['an export star', { 'packages/core/src/index.ts': "export * from './a.ts';\n" }, 'export *'],
    ['a bare error', { 'packages/core/src/index.ts': "throw new Error('no');\n" }, 'bare "new Error"'],
    [
      'an unknown layer',
      { 'packages/core/package.json': '{"name":"@x/core","nx":{"tags":["layer:moon"]}}' },
      'exactly one known',
    ],
    ['a missing layer', { 'packages/core/package.json': '{"name":"@x/core"}' }, 'exactly one known'],
  ])('refuses %s', (_title, files, message) => {
    expect(checkLayers(workspace(files as unknown as Record<string, string>)).join('\n')).toContain(message);
  });

  it('fails when there is nothing to check', () => {
    expect(checkLayers(workspace({ 'package.json': '{"name":"root"}' }))[0]).toContain('nothing was checked');
  });
});
