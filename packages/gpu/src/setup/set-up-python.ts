/** Makes the Python environment of the worker: PyTorch and the other pinned packages. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { check, ConfigurationError, type Logger } from '@agent-lightning/core';
import { createConsoleLogger } from '@agent-lightning/platform';
import {
  digestRequirements,
  findCachedEnvironment,
  isComplete,
  pythonProgram,
  findRuntimeRequirements,
  stampFile,
} from './python-environment.ts';
import { runCommand } from './run-command.ts';

/** Options of `setUpPython`. */
export interface SetUpPythonOptions {
  /** The environment's directory; what is in it is replaced. @default one in the user's cache, where `gpu` finds it */
  readonly directory?: string;
  /** The Python, 3.10 or later, that makes the environment. @default PYTHON of the environment, else python3, else python */
  readonly python?: string;
  /** The package index that PyTorch alone is taken from. @default the one that pip is configured with */
  readonly torchIndex?: string;
  /** Takes log messages. @default lines on standard error */
  readonly logger?: Logger;
  /** Aborting it ends the set-up; a later one begins anew. */
  readonly signal?: AbortSignal;
}

const names: readonly (keyof SetUpPythonOptions)[] = ['directory', 'python', 'torchIndex', 'logger', 'signal'];
const quietly = ['-m', 'pip', 'install', '-qq', '--no-compile', '--disable-pip-version-check'];

/**
 * Makes the environment, unless it is there with the same pins. Takes 1 to 10 minutes and, with PyTorch's CPU build, 1 GB of disk.
 *
 * @returns the path of its Python
 * @throws {ConfigurationError} `option-invalid`; `command-unavailable` when there is no Python 3.10 or later
 * @throws {BackendError} `command-failed` when pip fails, with what it printed
 * @throws {TimeoutError} `cancelled`
 */
export async function setUpPython(options: SetUpPythonOptions = {}): Promise<string> {
  check.knownOptions('setUpPython', options, names);
  const { logger = createConsoleLogger(), signal } = options;
  const directory = resolve(options.directory ?? findCachedEnvironment());
  const python = pythonProgram(directory);
  if (isComplete(directory)) {
    logger.info(`setup: ${directory} is up to date`);
    return python;
  }
  const interpreter = findInterpreter(options.python);
  logger.info(
    `setup: PyTorch and other packages go into ${directory}: about 1 GB with PyTorch's CPU build, several GB with CUDA, 1 to 10 minutes`,
  );
  await rm(directory, { recursive: true, force: true });
  const run = (command: string, args: readonly string[], purpose: string): Promise<void> =>
    runCommand({ command, args, purpose, logger, signal });
  await run(interpreter, ['-m', 'venv', directory], 'making the environment');
  const torch = findTorchPin();
  const index = options.torchIndex === undefined ? [] : ['--index-url', options.torchIndex];
  // By itself first: pip then takes the build that it is configured for, and nothing else can ask for another.
  await run(python, [...quietly, ...index, torch], `installing ${torch}, the largest part`);
  await run(python, [...quietly, '-r', findRuntimeRequirements()], 'installing the other packages');
  await writeFile(stampFile(directory), digestRequirements());
  logger.info(`setup: ${python} is ready`);
  return python;
}

function findTorchPin(): string {
  const pin = /^torch==\S+$/m.exec(readFileSync(findRuntimeRequirements(), 'utf8'))?.[0];
  if (pin === undefined) throw check.optionInvalid(findRuntimeRequirements(), 'no line torch==…', 'a pinned PyTorch');
  return pin;
}

/** Returns the first interpreter that is Python 3.10 or later and can make environments. */
function findInterpreter(given: string | undefined): string {
  const wanted = given ?? process.env['PYTHON'];
  const candidates = wanted === undefined || wanted === '' ? ['python3', 'python'] : [wanted];
  const program = 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))';
  const found = candidates.find((candidate) => spawnSync(candidate, ['-c', program]).status === 0);
  if (found !== undefined) return found;
  throw new ConfigurationError(
    `setup: ${candidates.join(' and ')}: none is Python 3.10 or later with venv. Install one (Debian and Ubuntu: ` +
      'apt install python3 python3-venv; macOS: brew install python), or name its path by PYTHON or the option python.',
    { code: 'command-unavailable' },
  );
}
