/** Where the worker's Python environments are, and what belongs into them. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { check } from '@agent-lightning/core';
import { findCacheDirectory, findOwnFile } from '@agent-lightning/platform';

/** Returns the directory of the worker's sources. @throws {ConfigurationError} `option-unsupported` in a bundle, which does not hold it */
export function findPythonDirectory(): string {
  return findOwnFile(import.meta.url, '../../python/', '@agent-lightning/gpu');
}

/** Returns the environment of a checkout: the worker's tests and tools use it too. */
export function findCheckoutEnvironment(): string {
  return join(findPythonDirectory(), '.venv');
}

/** Returns the path of the pins of what the worker needs. */
export function findRuntimeRequirements(): string {
  return join(findPythonDirectory(), 'requirements.txt');
}

/** Returns the directory in the user's cache for the environment of this version of the worker. */
export function findCachedEnvironment(environment: NodeJS.ProcessEnv = process.env): string {
  return join(findCacheDirectory(environment), `worker-python-${digestRequirements().slice(0, 12)}`);
}

/** Returns the path of the Python program in an environment. */
export function pythonProgram(directory: string): string {
  return process.platform === 'win32' ? join(directory, 'Scripts', 'python.exe') : join(directory, 'bin', 'python');
}

/** Returns whether an environment was made to its end, from these pins. */
export function isComplete(directory: string): boolean {
  const stamp = stampFile(directory);
  return (
    existsSync(pythonProgram(directory)) && existsSync(stamp) && readFileSync(stamp, 'utf8') === digestRequirements()
  );
}

/** Returns the path of the file that says which pins an environment was made from. */
export function stampFile(directory: string): string {
  return join(directory, 'requirements.sha256');
}

/** Returns the SHA-256 of the pins in hexadecimal. */
export function digestRequirements(): string {
  return createHash('sha256').update(readFileSync(findRuntimeRequirements())).digest('hex');
}

/** @throws {ConfigurationError} `option-invalid` for a directory with anything but a Python environment, which is replaced */
export function requireReplaceable(owner: string, directory: string): void {
  if (!existsSync(directory) || existsSync(join(directory, 'pyvenv.cfg'))) return;
  if (statSync(directory).isDirectory() && readdirSync(directory).length === 0) return;
  throw check.optionInvalid(`${owner}: directory`, directory, 'a new or empty directory, or a Python environment');
}
