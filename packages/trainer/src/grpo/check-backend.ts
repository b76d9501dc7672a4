import { ConfigurationError, type AlgorithmHost, type BackendCapabilities } from '@agent-lightning/core';
import type { AdamSettings } from '../adam-options.ts';
import { objectiveOf } from './grpo-loss.ts';
import type { GrpoSettings } from './grpo-options.ts';
import { checkAutoRates } from './learning-rate.ts';
import { isTrainable } from './objective/objective.ts';

/**
 * Checks that the backend can train what the algorithm minimises, built in or by a weighted cross entropy, with its optimizer
 * parameters and at its temperature, that updates can size themselves where they are to, and that steps can be sampled ahead where that is asked for.
 * @throws {ConfigurationError} `option-unsupported`, or `option-invalid` for options that do not go together
 */
export async function checkBackend(
  algorithm: GrpoSettings,
  { backend, maxStaleness, policies }: Pick<AlgorithmHost, 'backend' | 'maxStaleness' | 'policies'>,
): Promise<void> {
  if (maxStaleness > 0 && algorithm.taskSchedule === 'by-success') {
    throw new ConfigurationError(
      `grpo: taskSchedule 'by-success' plans each step by the rewards of the one before, and maxStaleness ${maxStaleness} samples steps before that is known; leave one of them out`,
      { code: 'option-unsupported' },
    );
  }
  const capabilities = await backend!.capabilities();
  if (!isTrainable(objectiveOf(algorithm), capabilities)) {
    throw new ConfigurationError(
      `the backend ${backend!.name} can neither train with the loss '${algorithm.loss.name}' nor with 'cross_entropy', by which it could be trained all the same; give grpo({ loss }) one of ${capabilities.losses.join(', ')}, without sequenceMask and without KL in the loss, and dualClip: false where its ppo has none`,
      { code: 'option-unsupported' },
    );
  }
  checkAutoRates(algorithm, policies, { name: backend!.name, capabilities });
  if (algorithm.critic !== undefined && capabilities.critic !== true) {
    throw new ConfigurationError(
      `the backend ${backend!.name} has no critic, which the estimator 'gae' needs; give grpo({ estimator: 'reinforce++' }), or train with embedded() or with the worker of gpu()`,
      { code: 'option-unsupported' },
    );
  }
  checkFixedAdam('grpo', algorithm.adam, backend!.name, capabilities);
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

/**
 * Checks that the optimizer parameters are those that a backend's own configuration fixes.
 * @param owner the algorithm, for messages
 * @throws {ConfigurationError} `option-unsupported`
 */
export function checkFixedAdam(
  owner: string,
  adam: AdamSettings,
  backendName: string,
  { fixedAdam = {} }: Pick<BackendCapabilities, 'fixedAdam'>,
): void {
  for (const [field, fixed] of Object.entries(fixedAdam)) {
    const asked = adam[field as keyof AdamSettings];
    if (asked === fixed) continue;
    throw new ConfigurationError(
      `the backend ${backendName} would ignore ${field} ${asked}: its server's configuration says ${fixed}; give ${owner}({ ${field}: ${fixed} }), or change the server's and tell the backend`,
      { code: 'option-unsupported' },
    );
  }
}
