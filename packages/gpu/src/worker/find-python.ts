/** Finds the Python that runs the worker. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ConfigurationError } from '@agent-lightning/core';

/** The directory of the worker's sources. */
export const pythonDirectory: string = fileURLToPath(new URL('../../python/', import.meta.url));

/** Advice for error messages: it says how to get a Python that has what the worker needs. */
export const setupAdvice: string =
  'Make one with `python3 -m venv .venv && .venv/bin/pip install torch transformers peft safetensors protobuf` (the versions are in the pyproject.toml of this package\'s python folder), and give it by gpu({ python: ".venv/bin/python" }) or AGENT_LIGHTNING_PYTHON';

/**
 * Returns the option, else AGENT_LIGHTNING_PYTHON, else the environment that `npm run setup:python` makes in this package.
 * @throws {ConfigurationError} `command-unavailable` when there is none
 */
export function findPython(
  option: string | undefined,
  environment: NodeJS.ProcessEnv = process.env,
  directory: string = pythonDirectory,
): string {
  const given = option ?? environment['AGENT_LIGHTNING_PYTHON'];
  if (given !== undefined && given !== '') return given;
  const own =
    process.platform === 'win32'
      ? join(directory, '.venv', 'Scripts', 'python.exe')
      : join(directory, '.venv', 'bin', 'python');
  if (existsSync(own)) return own;
  throw new ConfigurationError(
    `gpu: there is no Python for the worker: neither the option python nor AGENT_LIGHTNING_PYTHON is given, and there is none at ${own}. ${setupAdvice}.`,
    { code: 'command-unavailable' },
  );
}
