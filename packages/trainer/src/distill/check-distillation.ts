import { ConfigurationError, type AlgorithmHost } from '@agent-lightning/core';
import { checkFixedAdam } from '../grpo/check-backend.ts';
import { objectiveOf } from '../grpo/grpo-loss.ts';
import { checkAutoRates } from '../grpo/learning-rate.ts';
import { isTrainable } from '../grpo/objective/objective.ts';
import type { DistillSettings } from './distill-options.ts';
import { TokenizerCheck } from './same-tokenizer.ts';
import type { Teacher } from './teacher.ts';

/**
 * Checks that the backend can train by the teacher's marks, and that the teacher answers and has the policy's tokenizer.
 * @throws {ConfigurationError} `option-unsupported`, `option-invalid`; whatever the teacher's server answers
 */
export async function checkDistillation(
  settings: DistillSettings,
  teacher: Teacher,
  { backend, maxStaleness, policies }: Pick<AlgorithmHost, 'backend' | 'maxStaleness' | 'policies'>,
): Promise<void> {
  const capabilities = await backend!.capabilities();
  const { name } = backend!;
  if (!isTrainable(objectiveOf(settings), capabilities))
    throw new ConfigurationError(
      `the backend ${name} trains neither with the loss 'ppo' nor with 'cross_entropy', one of which distill needs; it has ${capabilities.losses.join(', ')}`,
      { code: 'option-unsupported' },
    );
  checkAutoRates({ ...settings, estimator: 'grpo' }, policies, { name, capabilities });
  checkFixedAdam('distill', settings.adam, name, capabilities);
  if (maxStaleness > 0 && capabilities.liveSnapshots === 1)
    throw new ConfigurationError(
      `the backend ${name} samples from one version of a policy at a time, so rollouts cannot outlive a step: leave maxStaleness ${maxStaleness} out`,
      { code: 'option-unsupported' },
    );
  await new TokenizerCheck(backend!, teacher).probe();
}
