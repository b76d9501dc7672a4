/** The programs that make a Python environment: uv, which is quicker, or pip, which comes with Python. */
import { spawnSync } from 'node:child_process';
import { ConfigurationError } from '@agent-lightning/core';
import { pythonProgram } from './python-environment.ts';

/** A command line. */
export type CommandLine = readonly [command: string, args: readonly string[]];

/** Makes the command lines of one program. */
export interface Installer {
  readonly name: 'uv' | 'pip';
  /** Returns the command that makes an empty environment. */
  readonly make: (directory: string) => CommandLine;
  /** Returns the command that installs packages into an environment. */
  readonly install: (directory: string, packages: readonly string[]) => CommandLine;
  /** Returns the command that removes packages from an environment; those that are not there are left out. */
  readonly remove: (directory: string, packages: readonly string[]) => CommandLine;
}

/**
 * Chooses the program: uv where it is there, else pip.
 *
 * @param wanted the program by name, or `auto`
 * @param python the Python that the environment is made with; undefined for the first that fits
 * @param versions the versions of Python that uv chooses from, where none is given
 * @throws {ConfigurationError} `command-unavailable` when there is no uv though it is wanted, or no Python 3.10 or later for pip
 */
export function chooseInstaller(
  wanted: 'auto' | 'uv' | 'pip',
  python: string | undefined,
  versions: string = '>=3.10',
): Installer {
  if (wanted === 'pip') return pip(findInterpreter(python));
  if (spawnSync('uv', ['--version'], { windowsHide: true }).status === 0) return uv(python ?? versions);
  if (wanted === 'auto') return pip(findInterpreter(python));
  throw new ConfigurationError(
    'setup: there is no uv on the PATH. Install it (https://docs.astral.sh/uv), or leave the option installer out, which takes pip then.',
    { code: 'command-unavailable' },
  );
}

function pip(interpreter: string): Installer {
  const quietly = ['-m', 'pip', 'install', '-qq', '--no-compile', '--disable-pip-version-check'];
  return {
    name: 'pip',
    make: (directory) => [interpreter, ['-m', 'venv', directory]],
    install: (directory, packages) => [pythonProgram(directory), [...quietly, ...packages]],
    remove: (directory, packages) => [
      pythonProgram(directory),
      ['-m', 'pip', 'uninstall', '-qq', '-y', '--disable-pip-version-check', ...packages],
    ],
  };
}

/** uv finds a Python by itself, and downloads one where the machine has none. */
function uv(python: string): Installer {
  return {
    name: 'uv',
    make: (directory) => ['uv', ['venv', '--quiet', '--no-project', '--python', python, directory]],
    install: (directory, packages) => [
      'uv',
      ['pip', 'install', '--quiet', '--no-progress', '--python', pythonProgram(directory), ...packages],
    ],
    remove: (directory, packages) => [
      'uv',
      ['pip', 'uninstall', '--quiet', '--python', pythonProgram(directory), ...packages],
    ],
  };
}

/** The names of Python: on Windows, `py` is the launcher that its installer brings, and `python3` may be a link to the shop. */
const interpreters = process.platform === 'win32' ? ['py', 'python', 'python3'] : ['python3', 'python'];

/** Returns the first interpreter that is Python 3.10 or later and can make environments. */
function findInterpreter(given: string | undefined): string {
  const candidates = given === undefined ? interpreters : [given];
  const program = 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))';
  const found = candidates.find((candidate) => spawnSync(candidate, ['-c', program]).status === 0);
  if (found !== undefined) return found;
  throw new ConfigurationError(
    `setup: ${candidates.join(' and ')}: none is Python 3.10 or later with venv. Install one (Debian and Ubuntu: ` +
      'apt install python3 python3-venv; macOS: brew install python; Windows: winget install Python.Python.3.13), install uv, which brings one, or name its path by PYTHON or the option python.',
    { code: 'command-unavailable' },
  );
}
