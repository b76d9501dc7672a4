import { ConfigurationError, isTrainable, type BackendCapabilities } from '@agent-lightning/core';
import { objectiveOf } from './grpo-loss.ts';
import type { ResolvedTrainerOptions } from './trainer-options.ts';

/**
 * What the backend can do, when it can train what the algorithm minimises: built in, or by a weighted cross entropy.
 * @throws {ConfigurationError} `option-unsupported`
 */
export async function checkCapabilities<Task>({
  backend,
  algorithm,
}: ResolvedTrainerOptions<Task>): Promise<BackendCapabilities> {
  const capabilities = await backend.capabilities();
  if (isTrainable(objectiveOf(algorithm), capabilities.losses)) return capabilities;
  throw new ConfigurationError(
    `the backend ${backend.name} can neither train with the loss '${algorithm.loss.name}' nor with 'cross_entropy', by which it could be trained all the same; give grpo({ loss }) one of ${capabilities.losses.join(', ')}, without sequenceMask and without KL in the loss`,
    { code: 'option-unsupported' },
  );
}
