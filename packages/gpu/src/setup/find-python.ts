/** Finds the Python that runs the worker. */
import { existsSync } from 'node:fs';
import { ConfigurationError } from '@agent-lightning/core';
import { findCheckoutEnvironment, findCachedEnvironment, isComplete, pythonProgram } from './python-environment.ts';

/** Advice for error messages: it says how to get a Python that has what the worker needs. */
export const setupAdvice: string =
  'Run `npx agent-lightning-gpu setup` (in a checkout of the project: `npm run setup:python`), or give a Python that has the packages of python/requirements.txt in this package by gpu({ python: ".venv/bin/python" }) or AGENT_LIGHTNING_PYTHON';

/** Where to look when no Python is named; for tests. */
export interface PythonPlaces {
  /** The environment of a checkout, which counts once its Python is there. @default beside the worker's sources */
  readonly checkout: string;
  /** The environment in the user's cache, which counts once it is complete. */
  readonly cached: string;
}

/**
 * Returns the option, else AGENT_LIGHTNING_PYTHON, else what `npm run setup:python` made in this package, else what
 * `npx agent-lightning-gpu setup` made in the user's cache.
 * @throws {ConfigurationError} `command-unavailable` when there is none
 */
export function findPython(
  option: string | undefined,
  environment: NodeJS.ProcessEnv = process.env,
  places: PythonPlaces = { checkout: findCheckoutEnvironment(), cached: findCachedEnvironment(environment) },
): string {
  const given = option ?? environment['AGENT_LIGHTNING_PYTHON'];
  if (given !== undefined && given !== '') return given;
  const found = findSetUp(places);
  if (found !== undefined) return found;
  throw new ConfigurationError(
    `gpu: there is no Python for the worker: neither the option python nor AGENT_LIGHTNING_PYTHON is given, and there is none in ${places.checkout} or ${places.cached}. ${setupAdvice}.`,
    { code: 'command-unavailable' },
  );
}

/** Returns the Python that `findPython` finds without an option, or undefined when there is none. */
export function findPythonIfAny(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  const given = environment['AGENT_LIGHTNING_PYTHON'];
  if (given !== undefined && given !== '') return given;
  return findSetUp({ checkout: findCheckoutEnvironment(), cached: findCachedEnvironment(environment) });
}

function findSetUp({ checkout, cached }: PythonPlaces): string | undefined {
  if (existsSync(pythonProgram(checkout))) return pythonProgram(checkout);
  return isComplete(cached) ? pythonProgram(cached) : undefined;
}
