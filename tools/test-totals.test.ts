import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { formatTable } from './format-table.ts';
import { listFullParts } from './full-parts.ts';
import {
  addTotals,
  formatTotals,
  fullResultsFile,
  listTestedWorkspaces,
  readFullResults,
  readResults,
  removeResults,
  resultsFile,
} from './test-totals.ts';

const roots: string[] = [];
afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true });
});

function folder(files: Readonly<Record<string, unknown>>): string {
  const root = mkdtempSync(join(tmpdir(), 'totals-'));
  roots.push(root);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), JSON.stringify(content));
  }
  return root;
}

const test = (status: string, ...ancestorTitles: string[]): object => ({
  status,
  title: 'is so',
  ancestorTitles,
  failureMessages: status === 'failed' ? ['AssertionError: 1 is not 2\n    at x.test.ts:3'] : [],
});

/** A report as Vitest writes it: two tests passed, one failed, one was skipped, and one file did not load. */
const report = {
  startTime: 1_000_000,
  numPassedTests: 2,
  numFailedTests: 1,
  numPendingTests: 1,
  numTodoTests: 1,
  testResults: [
    {
      name: '/repo/a/x.test.ts',
      status: 'failed',
      message: '',
      assertionResults: [test('passed'), test('failed', 'it')],
    },
    { name: '/repo/a/y.test.ts', status: 'failed', message: 'Cannot find z.ts', assertionResults: [] },
    {
      name: '/repo/a/z.test.ts',
      message: '',
      status: 'passed',
      assertionResults: [test('passed'), test('skipped', 'needs a GPU'), test('todo', 'needs a GPU')],
    },
  ],
};

describe('the results of a workspace', () => {
  const workspace = (directory: string): Parameters<typeof readResults>[0] => ({
    name: 'a',
    directory,
    mayBeEmpty: false,
  });

  it('count each test once, and a file that does not load as a failed one', () => {
    const root = folder({ [resultsFile]: report });
    utimesSync(join(root, resultsFile), 1_002.5, 1_002.5);
    expect(readResults(workspace(root), 999_999)).toEqual({
      passed: 2,
      failed: 2,
      skipped: 2,
      failures: [
        expect.stringMatching(/x\.test\.ts: it > is so: AssertionError: 1 is not 2$/),
        expect.stringMatching(/y\.test\.ts: Cannot find z\.ts$/),
      ],
      seconds: 2.5,
      isCached: false,
    });
    expect(readResults(workspace(root), 1_000_001)).toMatchObject({ isCached: true });
  });

  it('are none where the run left none, or those of an earlier run were removed', () => {
    const root = folder({ [resultsFile]: report });
    removeResults(workspace(root));
    expect(readResults(workspace(root), 0)).toBeUndefined();
    expect(readFullResults(root)).toBeUndefined();
  });

  it('say why heavy tests were skipped', () => {
    const root = folder({ [fullResultsFile]: report });
    expect(readFullResults(root)).toEqual({ passed: 2, failed: 2, skipped: 2, skippedGroups: ['needs a GPU'] });
  });
});

it('sums and writes totals as one line', () => {
  const totals = addTotals([
    { passed: 2, failed: 1, skipped: 0 },
    { passed: 40, failed: 0, skipped: 3 },
  ]);
  expect(formatTotals(totals)).toBe('42 passed, 1 failed, 3 skipped');
});

it('finds the workspaces that have tests', () => {
  const root = folder({
    'package.json': { workspaces: ['packages/*', 'tools'] },
    'packages/a/package.json': { name: '@x/a', scripts: { test: 'vitest run' } },
    'packages/b/package.json': { name: '@x/b', scripts: { test: 'vitest run --passWithNoTests' } },
    'packages/c/package.json': { name: '@x/c' },
    'tools/package.json': { name: 'tools', scripts: { test: 'vitest run' } },
  });
  expect(listTestedWorkspaces(root).map(({ name, mayBeEmpty }) => [name, mayBeEmpty])).toEqual([
    ['@x/a', false],
    ['@x/b', true],
    ['tools', false],
  ]);
});

it('makes a part of each workspace with heavy tests, and one of those on a real vLLM', () => {
  const root = folder({
    'packages/b/src/deep/x.full.test.ts': '',
    'packages/a/test/y.full.test.ts': '',
    'packages/a/test/z.full.test.ts': '',
    'packages/c/test/z.test.ts': '',
    'packages/d/test/real-vllm/v.full.test.ts': '',
    'tools/w.full.test.ts': '',
  });
  expect(listFullParts(root).map(({ name }) => name)).toEqual([
    'tests-a',
    'tests-b',
    'tests-tools',
    'vllm',
    'packages',
    'matrix',
    'init',
    'doctor',
    'packed',
    'python-frameworks',
    'models',
    'docs',
    'agl03',
    'agl10',
    'dashboard',
    'versions',
    'chaos-sqlite',
    'chaos-postgres',
    'chaos-server',
    'bench-server',
  ]);
});

it('lays out a table', () => {
  expect(
    formatTable(
      ['part', 'minutes', 'why'],
      [
        ['packages', '0.5', ''],
        ['a', '12.0', 'slow'],
      ],
    ),
  ).toBe('part      minutes  why\npackages      0.5\na            12.0  slow');
});
