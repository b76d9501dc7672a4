/** Defines `tinker({ url, model })`, which trains policies on a server that speaks the Tinker protocol. */
import type { TrainingBackend } from '@agent-lightning/core';
import { connect } from './connection.ts';
import { TinkerBackend } from './tinker-backend.ts';
import { resolveTinkerOptions, type TinkerOptions } from './tinker-options.ts';

/**
 * Makes a training backend on a Tinker-style server: the Tinker cloud, SkyRL on your own cluster, or the worker of `@agent-lightning/gpu` started by hand.
 * The server is asked for its capabilities with the first call that needs it. `close`, or the end of an `await using` block, frees this
 * backend's models on it; an open backend that nobody waits for keeps no process alive.
 * @throws {ConfigurationError} `option-invalid` | `option-unsupported`, naming the option
 */
export function tinker(options: TinkerOptions): TrainingBackend & AsyncDisposable {
  const resolved = resolveTinkerOptions(options);
  const { url, apiKey, fetch, lora, serverAdam, logger } = resolved;
  return new TinkerBackend({
    name: 'tinker',
    open: () => connect({ ...resolved, http: { url, apiKey, fetch } }),
    lora,
    serverAdam,
    logger,
  });
}
