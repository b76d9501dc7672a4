/** The command as a process of its own, which takes a second to start. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const command = join(import.meta.dirname, '../src/cli/main.ts');
const fixtures = join(import.meta.dirname, '__fixtures__');

it('reads a config in TypeScript, with imports by the name that compilers give them', () => {
  const config = join(fixtures, 'letters', 'lightning.config.ts');
  // The config is loaded when the model is looked for.
  const loaded = spawnSync(
    process.execPath,
    ['--conditions=@agent-lightning/source', command, 'dev', '--json', '--config', config],
    { encoding: 'utf8' },
  );
  expect(loaded.status, loaded.stderr).toBe(1);
  expect(loaded.stdout).toMatch(/no-such-model/);
});
