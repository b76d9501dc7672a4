/**
 * Makes the Python environment of the GPU worker in this checkout, packages/gpu/python/.venv, as `npx agent-lightning-gpu setup` does for
 * an application; adds what the worker's tests need, and the worker itself. Does nothing when it is there and the pins have not changed.
 *
 *     npm run setup:python            PYTHON=/path/to/python3 chooses another interpreter
 *
 * On a GPU machine PyPI's own torch brings CUDA; the index that pip is configured with decides.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LightningError, type Logger } from '@agent-lightning/core';
import { setUpPython } from '@agent-lightning/gpu';

const project = join(import.meta.dirname, '..', 'packages', 'gpu', 'python');
const environment = join(project, '.venv');
const stampFile = join(environment, 'requirements-dev.sha256');

/** A failure that the person at the keyboard can mend. */
class SetupError extends Error {}

const print = (message: string): void => console.log(message);
const logger: Logger = { info: print, warn: print, error: print };

function install(python: string, args: readonly string[], purpose: string): void {
  print(`setup: ${purpose}`);
  const pip = ['-m', 'pip', 'install', '-qq', '--no-compile', '--disable-pip-version-check', ...args];
  const { status, error } = spawnSync(python, pip, { cwd: project, stdio: 'inherit' });
  if (status !== 0) throw new SetupError(`${purpose}: ${python} ${pip.join(' ')} failed (${error?.message ?? status})`);
}

function digestPins(): string {
  const hash = createHash('sha256');
  for (const file of ['requirements-dev.txt', 'pyproject.toml']) hash.update(readFileSync(join(project, file)));
  return hash.digest('hex');
}

try {
  const python = await setUpPython({ directory: environment, logger }); // an environment that it makes anew has no stamp of ours
  if (!existsSync(stampFile) || readFileSync(stampFile, 'utf8') !== digestPins()) {
    install(python, ['-r', 'requirements-dev.txt'], "installing what the worker's tests need");
    install(python, ['--no-deps', '--no-build-isolation', '--editable', '.'], 'installing the worker');
    writeFileSync(stampFile, digestPins());
    print(`setup: ${environment} is ready for tests`);
  }
} catch (error) {
  if (!(error instanceof SetupError || LightningError.isInstance(error))) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
