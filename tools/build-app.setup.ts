import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const packageDirectory = join(import.meta.dirname, '../packages/dashboard');

/** Builds the pages of the dashboard where they are not: a run writes them into its report. Their own tests build them anew. */
export function setup(): void {
  if (existsSync(join(packageDirectory, 'built-app/index.html'))) return;
  const { status, stderr } = spawnSync('npm', ['run', 'build:app', '--silent'], {
    cwd: packageDirectory,
    encoding: 'utf8',
  });
  if (status !== 0) throw new TypeError(`the pages of the dashboard could not be built: ${stderr}`);
}
