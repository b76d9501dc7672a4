/** Makes the Python environment of the worker: PyTorch and the other pinned packages. */
import { readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { check, type Logger } from '@agent-lightning/core';
import { createConsoleLogger } from '@agent-lightning/platform';
import {
  digestRequirements,
  findCachedEnvironment,
  isComplete,
  pythonProgram,
  requireReplaceable,
  findRuntimeRequirements,
  stampFile,
} from './python-environment.ts';
import { chooseInstaller, type CommandLine } from './installer.ts';
import { runCommand } from './run-command.ts';

/** Options of `setUpPython`. */
export interface SetUpPythonOptions {
  /** The environment's directory: a new or empty one, or a Python environment, which is replaced. @default one in the user's cache, where `gpu` finds it */
  readonly directory?: string;
  /** The Python, 3.10 or later, that makes the environment. @default PYTHON of the environment, else python3, else python; uv finds one by itself */
  readonly python?: string;
  /** The program that installs: uv, which is quicker and brings a Python where there is none, or pip. @default 'auto', which is uv where it is on the PATH */
  readonly installer?: 'auto' | 'uv' | 'pip';
  /** The package index that PyTorch alone is taken from. @default the one that pip is configured with */
  readonly torchIndex?: string;
  /** Takes log messages. @default lines on standard error */
  readonly logger?: Logger;
  /** Aborting it ends the set-up; a later one begins anew. */
  readonly signal?: AbortSignal;
}

const names: readonly (keyof SetUpPythonOptions)[] = [
  'directory',
  'python',
  'installer',
  'torchIndex',
  'logger',
  'signal',
];

/**
 * Makes the environment, unless it is there with the same pins. Takes 1 to 10 minutes and, with PyTorch's CPU build, 1 GB of disk.
 *
 * @returns the path of its Python
 * @throws {ConfigurationError} `option-invalid`; `command-unavailable` when there is no Python 3.10 or later, or no uv though it is wanted
 * @throws {BackendError} `command-failed` when the installer fails, with what it printed
 * @throws {TimeoutError} `cancelled`
 */
export async function setUpPython(options: SetUpPythonOptions = {}): Promise<string> {
  check.knownOptions('setUpPython', options, names);
  const { logger = createConsoleLogger(), signal } = options;
  const wanted = check.oneOf('setUpPython: installer', options.installer ?? 'auto', ['auto', 'uv', 'pip']);
  const directory = resolve(options.directory ?? findCachedEnvironment());
  const python = pythonProgram(directory);
  if (isComplete(directory)) {
    logger.info(`setup: ${directory} is up to date`);
    return python;
  }
  // In the cache, an environment may have been left before it had its first file.
  if (options.directory !== undefined) requireReplaceable('setUpPython', directory);
  const installer = chooseInstaller(wanted, options.python ?? (process.env['PYTHON'] || undefined));
  logger.info(
    `setup: ${installer.name} installs. PyTorch and other packages go into ${directory}: about 1 GB with PyTorch's CPU build, several GB with CUDA, 1 to 10 minutes`,
  );
  await rm(directory, { recursive: true, force: true });
  const run = ([command, args]: CommandLine, purpose: string): Promise<void> =>
    runCommand({ command, args, purpose, logger, signal });
  await run(installer.make(directory), 'making the environment');
  const torch = findTorchPin();
  const index = options.torchIndex === undefined ? [] : ['--index-url', options.torchIndex];
  // By itself first: the installer then takes the build that it is configured for, and nothing else can ask for another.
  await run(installer.install(directory, [...index, torch]), `installing ${torch}, the largest part`);
  await run(installer.install(directory, ['-r', findRuntimeRequirements()]), 'installing the other packages');
  await writeFile(stampFile(directory), digestRequirements());
  logger.info(`setup: ${python} is ready`);
  return python;
}

function findTorchPin(): string {
  const pin = /^torch==\S+$/m.exec(readFileSync(findRuntimeRequirements(), 'utf8'))?.[0];
  if (pin === undefined) throw check.optionInvalid(findRuntimeRequirements(), 'no line torch==…', 'a pinned PyTorch');
  return pin;
}
