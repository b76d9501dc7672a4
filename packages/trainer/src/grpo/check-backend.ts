import { ConfigurationError, type AlgorithmHost } from '@agent-lightning/core';
import { objectiveOf } from './grpo-loss.ts';
import type { GrpoSettings } from './grpo-options.ts';
import { isTrainable } from './objective/objective.ts';

/**
 * Checks that the backend can train what the algorithm minimises, built in or by a weighted cross entropy, with its optimizer
 * parameters.
 * @throws {ConfigurationError} `option-unsupported`
 */
export async function checkBackend(
  algorithm: GrpoSettings,
  { backend, maxStaleness }: Pick<AlgorithmHost, 'backend' | 'maxStaleness'>,
): Promise<void> {
  const capabilities = await backend!.capabilities();
  if (!isTrainable(objectiveOf(algorithm), capabilities.losses)) {
    throw new ConfigurationError(
      `the backend ${backend!.name} can neither train with the loss '${algorithm.loss.name}' nor with 'cross_entropy', by which it could be trained all the same; give grpo({ loss }) one of ${capabilities.losses.join(', ')}, without sequenceMask and without KL in the loss`,
      { code: 'option-unsupported' },
    );
  }
  if (algorithm.critic !== undefined && capabilities.critic !== true) {
    throw new ConfigurationError(
      `the backend ${backend!.name} has no critic, which the estimator 'gae' needs; give grpo({ estimator: 'reinforce++' }), or train with embedded() or with the worker of gpu()`,
      { code: 'option-unsupported' },
    );
  }
  for (const [field, fixed] of Object.entries(capabilities.fixedAdam ?? {})) {
    const asked = algorithm.adam[field as keyof typeof algorithm.adam];
    if (asked === fixed) continue;
    throw new ConfigurationError(
      `the backend ${backend!.name} would ignore ${field} ${asked}: its server's configuration says ${fixed}; give grpo({ ${field}: ${fixed} }), or change the server's and tell the backend`,
      { code: 'option-unsupported' },
    );
  }
  if (maxStaleness > 0 && capabilities.liveSnapshots === 1) {
    throw new ConfigurationError(
      `the backend ${backend!.name} samples from one version of a policy at a time, so rollouts cannot outlive a step: leave maxStaleness ${maxStaleness} out`,
      { code: 'option-unsupported' },
    );
  }
}
