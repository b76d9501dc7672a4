import { check, type LightningRLOptions } from '@agent-lightning/core';

/** The options of the critic, which the estimator `gae` asks what a state is worth. */
export interface CriticOptions {
  /** γ: a reward counts γ for each sampled token before it. @default 1 */
  readonly discount?: number;
  /** λ: 1 takes what a rollout earned as it is, 0 the critic's word for it after one token. @default 1 */
  readonly lambda?: number;
  /**
   * The learning rate of the critic's head, about the most that a value can move in one optimizer step; larger where rewards are.
   * @default 0.05
   */
  readonly learningRate?: number;
  /**
   * The share of the gradient of the critic's loss that reaches the weights of the policy. With 0 the head learns alone, on what the policy
   * computes anyway, and changes nothing but advantages; it cannot follow a policy that moves fast. @default 0.1
   */
  readonly trunkWeight?: number;
}

export type CriticSettings = Required<CriticOptions>;

/**
 * Checks the options of the critic and fills in the defaults; undefined for an estimator that asks none.
 * @throws {ConfigurationError} `option-invalid`
 */
export function resolveCritic(
  estimator: LightningRLOptions['estimator'],
  options: CriticOptions | undefined,
): CriticSettings | undefined {
  if (estimator !== 'gae') {
    if (options === undefined) return undefined;
    throw check.optionInvalid('grpo.critic', JSON.stringify(options), `left out with the estimator '${estimator}'`);
  }
  const given = options ?? {};
  check.knownOptions('grpo.critic', given, Object.keys(optionNames));
  return Object.freeze({
    discount: share('grpo.critic.discount', given.discount ?? 1),
    lambda: share('grpo.critic.lambda', given.lambda ?? 1),
    learningRate: check.positive('grpo.critic.learningRate', given.learningRate ?? 0.05),
    trunkWeight: check.positive('grpo.critic.trunkWeight', given.trunkWeight ?? 0.1, { orZero: true }),
  });
}

const optionNames: Readonly<Record<keyof CriticOptions, true>> = {
  discount: true,
  lambda: true,
  learningRate: true,
  trunkWeight: true,
};

function share(name: string, value: number): number {
  if (value >= 0 && value <= 1) return value;
  throw check.optionInvalid(name, value, 'a number from 0 to 1');
}
