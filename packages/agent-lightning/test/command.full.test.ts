/** The command as a process of its own, which takes a second to start. */
import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';

const command = join(import.meta.dirname, '../src/cli/main.ts');
const fixtures = join(import.meta.dirname, '__fixtures__');
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'agent-lightning-command-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

it('reads a config by Node, with imports of TypeScript by the name that compilers give them', () => {
  const run = (...args: string[]): SpawnSyncReturns<string> =>
    spawnSync(process.execPath, ['--conditions=@agent-lightning/source', command, ...args], { encoding: 'utf8' });
  // The config is loaded when the model is looked for.
  const loaded = run('dev', '--json', '--config', join(fixtures, 'letters', 'lightning.config.ts'));
  expect(loaded.status, loaded.stderr).toBe(1);
  expect(loaded.stdout).toMatch(/no-such-model/);
  const path = join(folder, 'enum.ts');
  writeFileSync(path, 'enum A { B }\nexport default { train: [A.B], rollout() {} }');
  const refused = run('dev', '--config', path);
  expect(refused.stderr).toMatch(/enum.*experimental-transform-types/s);
});
