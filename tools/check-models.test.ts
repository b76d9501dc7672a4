import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { conversations } from './check-models/conversations.ts';

const run = (...args: readonly string[]): { status: number | null; stdout: string; stderr: string } =>
  spawnSync(
    process.execPath,
    ['--conditions=@agent-lightning/source', join(import.meta.dirname, 'check-models/main.ts'), ...args],
    { encoding: 'utf8' },
  );

it('names each conversation once', () => {
  expect(new Set(conversations.map(({ name }) => name)).size).toBe(conversations.length);
});

it('says what it does, and refuses options that there are not', () => {
  const help = run('--help');
  expect([help.status, help.stderr]).toEqual([0, '']);
  expect(help.stdout).toContain('npm run check:models');
  const wrong = run('--jsno');
  expect(wrong.status).toBe(2);
  expect(wrong.stderr).toContain("Unknown option '--jsno'");
});
