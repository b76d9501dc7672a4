import { policyLosses, type PolicyLoss } from './objective/policy-loss.ts';
import type { Objective } from './objective/objective.ts';
import type { RatioBounds } from './objective/sequence-ratio.ts';
import { check } from '@agent-lightning/core';

/** The options of the loss, whose gradient the training follows. */
export interface GrpoLossOptions {
  /**
   * The policy-gradient loss. One that the backend does not build in is trained by its derivative, as a weighted cross entropy,
   * for one more forward pass. @default 'ppo'
   */
  readonly loss?: PolicyLoss['name'];
  /**
   * Lowest importance ratio, absolute; for all losses but `importance_sampling` and `truncated_importance_sampling`.
   * @default 0.8 for `ppo`, 0 for `cispo`, 0.5 for `icepop`, 0.9997 for `gspo`
   */
  readonly clipLow?: number;
  /**
   * Highest importance ratio, absolute; for all losses but `importance_sampling`.
   * @default 1.28 for `ppo`, 5 for `cispo`, whose bound is the ratio itself, 2 for `truncated_importance_sampling`, 5 for `icepop`, 1.0004 for `gspo`
   */
  readonly clipHigh?: number;
  /**
   * Ratio beyond which a token with a negative advantage has no gradient, for `ppo` and `gspo`: without it, one token that became a thousand times likelier
   * decides a step. `false` for none, which saves a forward pass on a server whose `ppo` has no dual clip. @default 3
   */
  readonly dualClip?: number | false;
  /**
   * Leaves out responses whose geometric-mean ratio is outside these bounds, such as `{ low: 0.999, high: 1.002 }`. A response
   * is that of one call. @default none is left out
   */
  readonly sequenceMask?: RatioBounds;
  /**
   * The weight β of the KL to the base model, 0 for none. `klPlacement` says where it acts. @default 0
   */
  readonly klCoefficient?: number;
  /**
   * `advantage`: each trained token's advantage loses β times its log-ratio at sampling time (k1), less the batch's mean.
   * `loss`: β · KL(policy ‖ base model) by k3 is part of the loss, as in the GRPO paper. @default 'advantage'
   */
  readonly klPlacement?: 'advantage' | 'loss';
}

/** The loss options of a resolved algorithm. */
export interface GrpoLoss {
  readonly loss: PolicyLoss;
  readonly sequenceMask: RatioBounds | undefined;
  readonly klCoefficient: number;
  readonly klPlacement: 'advantage' | 'loss';
}

const defaultBounds = {
  ppo: { low: 0.8, high: 1.28 },
  cispo: { low: 0, high: 5 },
  icepop: { low: 0.5, high: 5 },
  gspo: { low: 0.9997, high: 1.0004 },
} as const;

/** Checks the options of the loss and fills in the defaults. @throws {ConfigurationError} `option-invalid` */
export function resolveGrpoLoss(options: GrpoLossOptions): GrpoLoss {
  if (options.klPlacement !== undefined && (options.klCoefficient ?? 0) === 0)
    throw check.optionInvalid('grpo.klCoefficient', options.klCoefficient, 'above 0 where klPlacement is given');
  return {
    loss: Object.freeze(resolveLoss(options)),
    sequenceMask: resolveMask(options.sequenceMask),
    klCoefficient: check.positive('grpo.klCoefficient', options.klCoefficient ?? 0, { orZero: true }),
    klPlacement: check.oneOf('grpo.klPlacement', options.klPlacement ?? 'advantage', ['advantage', 'loss']),
  };
}

/** Returns the objective that an algorithm minimises. */
export function objectiveOf({ loss, sequenceMask, klCoefficient, klPlacement }: GrpoLoss): Objective {
  return {
    loss,
    ...(sequenceMask === undefined ? {} : { sequenceMask }),
    ...(klPlacement === 'loss' && klCoefficient > 0 ? { referenceKl: klCoefficient } : {}),
  };
}

function resolveLoss(options: GrpoLossOptions): PolicyLoss {
  const name = check.oneOf('grpo.loss', options.loss ?? 'ppo', policyLosses);
  const dualClip = resolveDualClip(name, options.dualClip);
  if (name === 'importance_sampling') {
    rejectBound(name, 'grpo.clipLow', options.clipLow);
    rejectBound(name, 'grpo.clipHigh', options.clipHigh);
    return { name };
  }
  if (name === 'truncated_importance_sampling') {
    rejectBound(name, 'grpo.clipLow', options.clipLow);
    return { name, clipHigh: highest(options.clipHigh ?? 2) };
  }
  const bounds = defaultBounds[name];
  const clipLow = lowest(options.clipLow ?? bounds.low);
  const clipHigh = highest(options.clipHigh ?? bounds.high);
  return { name, clipLow, clipHigh, ...(dualClip === undefined ? {} : { dualClip }) };
}

function resolveDualClip(loss: PolicyLoss['name'], dualClip: number | false | undefined): number | undefined {
  if (loss !== 'ppo' && loss !== 'gspo') {
    rejectBound(loss, 'grpo.dualClip', dualClip === false ? undefined : dualClip);
    return undefined;
  }
  const bound = dualClip ?? 3;
  if (bound === false || (bound > 1 && Number.isFinite(bound))) return bound === false ? undefined : bound;
  throw check.optionInvalid('grpo.dualClip', bound, 'a ratio above 1, such as 3, or false');
}

function rejectBound(loss: PolicyLoss['name'], option: string, value: number | undefined): void {
  if (value !== undefined)
    throw check.optionInvalid(option, value, `left out with the loss '${loss}', which has no such bound`);
}

function lowest(clipLow: number): number {
  if (check.positive('grpo.clipLow', clipLow, { orZero: true }) <= 1) return clipLow;
  throw check.optionInvalid('grpo.clipLow', clipLow, 'a ratio from 0 to 1, such as 0.8');
}

function highest(clipHigh: number): number {
  if (check.positive('grpo.clipHigh', clipHigh) >= 1) return clipHigh;
  throw check.optionInvalid('grpo.clipHigh', clipHigh, 'a ratio of at least 1, such as 1.2');
}

function resolveMask(mask: RatioBounds | undefined): RatioBounds | undefined {
  if (mask === undefined) return undefined;
  check.knownOptions('grpo.sequenceMask', mask, ['low', 'high']);
  const { low, high } = mask;
  if (low >= 0 && low <= 1 && high >= 1 && high < Infinity) return Object.freeze({ low, high });
  throw check.optionInvalid(
    'grpo.sequenceMask',
    JSON.stringify(mask),
    '{ low, high } with low from 0 to 1 and high from 1',
  );
}
