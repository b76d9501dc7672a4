import { ConfigurationError, type AlgorithmHost } from '@agent-lightning/core';
import { objectiveOf } from './grpo-loss.ts';
import type { GrpoSettings } from './grpo-options.ts';
import { checkAutoRates } from './learning-rate.ts';
import { isTrainable } from './objective/objective.ts';

/**
 * Checks that the backend can train what the algorithm minimises, built in or by a weighted cross entropy, with its optimizer
 * parameters and at its temperature, and that updates can size themselves where they are to.
 * @throws {ConfigurationError} `option-unsupported`, or `option-invalid` for options that do not go together
 */
export async function checkBackend(
  algorithm: GrpoSettings,
  { backend, maxStaleness, policies }: Pick<AlgorithmHost, 'backend' | 'maxStaleness' | 'policies'>,
): Promise<void> {
  const capabilities = await backend!.capabilities();
  if (!isTrainable(objectiveOf(algorithm), capabilities)) {
    throw new ConfigurationError(
      `the backend ${backend!.name} can neither train with the loss '${algorithm.loss.name}' nor with 'cross_entropy', by which it could be trained all the same; give grpo({ loss }) one of ${capabilities.losses.join(', ')}, without sequenceMask and without KL in the loss, and dualClip: false where its ppo has none`,
      { code: 'option-unsupported' },
    );
  }
  checkAutoRates(algorithm, policies, { name: backend!.name, capabilities });
  for (const [field, fixed] of Object.entries(capabilities.fixedAdam ?? {})) {
    const asked = algorithm.adam[field as keyof typeof algorithm.adam];
    if (asked === fixed) continue;
    throw new ConfigurationError(
      `the backend ${backend!.name} would ignore ${field} ${asked}: its server's configuration says ${fixed}; give grpo({ ${field}: ${fixed} }), or change the server's and tell the backend`,
      { code: 'option-unsupported' },
    );
  }
  if (algorithm.temperature !== 1 && capabilities.hasTemperature !== true) {
    throw new ConfigurationError(
      `the backend ${backend!.name} scores at temperature 1 only, and would train another distribution than the one that is sampled at ${algorithm.temperature}; leave grpo({ temperature }) out, or train on a backend that has it: embedded, gpu`,
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
