import { randomOrder, seededRandom } from '@agent-lightning/core';
import type { ResolvedFitOptions } from '../fit-options.ts';

/** The held-out tasks of a run by their use, as indexes into `validation`. */
export interface HeldOutTasks {
  /** The tasks of a validation during training, in a seeded order. */
  readonly subset: readonly number[];
  /** The tasks by which the best step is chosen, all of them in the subset; none where the last step is kept. */
  readonly selection: readonly number[];
  /** The tasks of the verdict, which nothing is chosen by; none without a verdict. */
  readonly test: readonly number[];
}

/**
 * Splits the held-out tasks at random, by the run's seed: one half chooses the best step, the other is for the verdict. Where no step is
 * chosen, the verdict has all of them.
 */
export function splitHeldOut(
  {
    validation,
    validationSubset,
    verdict,
  }: Pick<ResolvedFitOptions<unknown>, 'validation' | 'validationSubset' | 'verdict'>,
  seed: number,
): HeldOutTasks {
  const order = randomOrder(validation.length, seededRandom(seed, 'validation-subset'));
  const subset = order.slice(0, validationSubset);
  if (verdict === undefined) return { subset, selection: [], test: [] };
  if (verdict.step === 'last') return { subset, selection: [], test: order };
  return {
    subset,
    selection: subset.filter((_, position) => position % 2 === 0),
    test: order.filter((_, position) => position % 2 === 1),
  };
}
