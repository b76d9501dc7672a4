/** The worker's own tests are pytest's; `.ci/run` and `npm run test:full` run them by this, and it says so where Python is not set up. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

const project = fileURLToPath(new URL('../python', import.meta.url));
const python =
  process.env['AGENT_LIGHTNING_PYTHON'] ?? fileURLToPath(new URL('../python/.venv/bin/python', import.meta.url));
const isRequired = process.env['AGENT_LIGHTNING_REQUIRE_PYTHON'] === '1';
const isMissing = !existsSync(python);

/** Exit code and everything printed. */
function run(args: readonly string[]): Promise<{ readonly code: number; readonly output: string }> {
  return new Promise((resolve) => {
    execFile(python, args, { cwd: project, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ code, output: `${stdout}${stderr}${error?.message ?? ''}` });
    });
  });
}

const reason = isMissing ? ` (skipped: there is no ${python}; run "npm run setup:python")` : '';

describe.skipIf(isMissing && !isRequired)(`the Python worker${reason}`, () => {
  it('passes its tests', { timeout: 1_800_000 }, async () => {
    const { code, output } = await run(['-m', 'pytest']);
    expect(code, output).toBe(0);
    expect(output).toMatch(/\d+ passed/);
  });

  it('is clean and formatted', async () => {
    const checks = [['check'], ['format', '--check']];
    for (const check of checks) {
      const { code, output } = await run([
        '-m',
        'ruff',
        ...check,
        '--no-cache',
        '--config',
        'pyproject.toml',
        '.',
        '../../../tools/bench/gpu',
        '../../../tools/starter-model',
        '../starter-model',
      ]);
      expect(code, output).toBe(0);
    }
  });
});
