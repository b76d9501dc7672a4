import { ConfigurationError } from '@agent-lightning/core';
import { findPython } from '../src/setup/find-python.ts';

/**
 * The Python of the tests that need the worker; undefined, with the reason on the test, where there is none. With
 * AGENT_LIGHTNING_REQUIRE_PYTHON=1 its absence is a failure.
 */
export function findWorkerPython(): string | undefined {
  try {
    return findPython(undefined);
  } catch (error) {
    if (process.env['AGENT_LIGHTNING_REQUIRE_PYTHON'] === '1' || !(error instanceof ConfigurationError)) throw error;
    return undefined;
  }
}
