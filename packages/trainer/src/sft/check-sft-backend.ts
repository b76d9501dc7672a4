import { check, ConfigurationError, type AlgorithmHost, type BackendCapabilities } from '@agent-lightning/core';
import { checkFixedAdam } from '../grpo/check-backend.ts';
import type { SftSettings } from './sft-options.ts';

/** The rates that are used where none is given. */
const rates = { all: 1e-5, adapter: 1e-4 } as const;

/** Returns the learning rate of policies that have none of their own. */
export function chooseSftRate({ learningRate }: SftSettings, { trainedWeights = 'all' }: BackendCapabilities): number {
  return learningRate ?? rates[trainedWeights];
}

/**
 * Checks that the backend trains with `cross_entropy` and with the optimizer parameters, and that every policy has a fixed rate.
 * @throws {ConfigurationError} `option-unsupported`, or `option-invalid` for a policy's learning rate
 */
export async function checkSftBackend(
  settings: SftSettings,
  { backend, policies }: Pick<AlgorithmHost, 'backend' | 'policies'>,
): Promise<void> {
  const sized = policies.find(({ learningRate }) => learningRate === 'auto');
  if (sized !== undefined)
    throw check.optionInvalid(
      `Trainer: policies.${sized.name}.learningRate`,
      "'auto'",
      'a number: sft imitates, and has no movement to aim for',
    );
  const capabilities = await backend!.capabilities();
  if (!capabilities.losses.includes('cross_entropy'))
    throw new ConfigurationError(
      `the backend ${backend!.name} does not train with the loss 'cross_entropy', which sft needs; it has ${capabilities.losses.join(', ')}. Train with grpo, or with a backend that has it: embedded, gpu, tinker`,
      { code: 'option-unsupported' },
    );
  const renders = settings.from === undefined ? (settings.teacher === undefined ? undefined : 'teacher') : 'from';
  if (renders !== undefined && backend!.encodeAnswer === undefined)
    throw new ConfigurationError(
      `the backend ${backend!.name} cannot encode the text of an answer (encodeAnswer), which sft({ ${renders} }) needs; leave it out, so that the policy imitates its own rollouts, or train with embedded, gpu or tinker`,
      { code: 'option-unsupported' },
    );
  checkFixedAdam('sft', settings.adam, backend!.name, capabilities);
}
