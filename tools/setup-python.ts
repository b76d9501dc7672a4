/**
 * Makes the Python environment of the GPU worker, packages/gpu/python/.venv: the pinned requirements and the worker itself.
 * Does nothing when it is there and the pins have not changed.
 *
 *     npm run setup:python            PYTHON=/path/to/python3 chooses another interpreter
 *
 * On a GPU machine PyPI's own torch brings CUDA; the index that pip is configured with decides.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const project = join(import.meta.dirname, '..', 'packages', 'gpu', 'python');
const environment = join(project, '.venv');
const stampFile = join(environment, 'requirements.sha256');
const python =
  process.platform === 'win32' ? join(environment, 'Scripts', 'python.exe') : join(environment, 'bin', 'python');

/** A failure that the person at the keyboard can mend. */
class SetupError extends Error {}

function run(command: string, args: readonly string[], why: string): void {
  const started = Date.now();
  console.log(`setup-python: ${why}`);
  const { status, error } = spawnSync(command, args, { cwd: project, stdio: 'inherit' });
  if (status !== 0) throw new SetupError(`${why}: ${command} ${args.join(' ')} failed (${error?.message ?? status})`);
  console.log(`setup-python: ${why}: ${Math.round((Date.now() - started) / 1000)} s`);
}

/** The first interpreter that is Python 3.10 or later and can make environments. */
function findPython(): string {
  const wanted = process.env['PYTHON'];
  const candidates = wanted === undefined ? ['python3', 'python'] : [wanted];
  const check = 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))';
  const found = candidates.find((candidate) => spawnSync(candidate, ['-c', check]).status === 0);
  if (found === undefined) {
    throw new SetupError(
      `${candidates.join(' and ')}: none is Python 3.10 or later with venv. Install one (Debian and Ubuntu: ` +
        'apt install python3 python3-venv; macOS: brew install python) or set PYTHON to its path.',
    );
  }
  return found;
}

function stampOf(): string {
  const hash = createHash('sha256');
  for (const file of ['requirements-dev.txt', 'pyproject.toml']) hash.update(readFileSync(join(project, file)));
  return hash.digest('hex');
}

try {
  const stamp = stampOf();
  if (existsSync(python) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) {
    console.log(`setup-python: ${environment} is up to date`);
  } else {
    const interpreter = findPython();
    rmSync(environment, { recursive: true, force: true });
    run(interpreter, ['-m', 'venv', environment], 'making the environment');
    const torch = /^torch==\S+$/m.exec(readFileSync(join(project, 'requirements-dev.txt'), 'utf8'))![0];
    const pip = ['-m', 'pip', 'install', '-qq', '--no-compile', '--disable-pip-version-check'];
    // By itself first: pip then takes the build that it is configured for, and nothing else can ask for another.
    run(python, [...pip, torch], `installing ${torch}, the largest part`);
    run(python, [...pip, '-r', 'requirements-dev.txt'], 'installing the other pins');
    run(python, [...pip, '--no-deps', '--no-build-isolation', '--editable', '.'], 'installing the worker');
    writeFileSync(stampFile, stamp);
    console.log(`setup-python: ${python} is ready`);
  }
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(`setup-python: ${error.message}`);
  process.exitCode = 1;
}
