import { check, type AdamParameters } from '@agent-lightning/core';

/** The parameters of AdamW but for the learning rate, as an algorithm takes them. */
export interface AdamOptions {
  /** Clips the global L2 norm of the gradient; 0 for no clipping. @default 1 */
  readonly maxGradientNorm?: number;
  /** AdamW's β₁, the decay of the first moment. @default 0.9 */
  readonly beta1?: number;
  /** AdamW's β₂, the decay of the second moment. @default 0.95 */
  readonly beta2?: number;
  /** AdamW's ε, added to the root of the second moment. @default 1e-8 */
  readonly epsilon?: number;
  /** AdamW's decoupled weight decay. @default 0 */
  readonly weightDecay?: number;
}

/** The parameters of AdamW with every default filled in. */
export type AdamSettings = Required<Omit<AdamParameters, 'learningRate'>>;

/** Checks the parameters of AdamW. @param owner the algorithm, for messages @throws {ConfigurationError} `option-invalid` */
export function resolveAdam(owner: string, options: AdamOptions): AdamSettings {
  return Object.freeze({
    beta1: check.unitInterval(`${owner}.beta1`, options.beta1 ?? 0.9),
    beta2: check.unitInterval(`${owner}.beta2`, options.beta2 ?? 0.95),
    epsilon: check.positive(`${owner}.epsilon`, options.epsilon ?? 1e-8),
    weightDecay: check.positive(`${owner}.weightDecay`, options.weightDecay ?? 0, { orZero: true }),
    maxGradientNorm: check.positive(`${owner}.maxGradientNorm`, options.maxGradientNorm ?? 1, { orZero: true }),
  });
}

/** Checks the temperature of training rollouts. @throws {ConfigurationError} `option-invalid` */
export function resolveTemperature(owner: string, temperature: number): number {
  // Servers sample below 0.01 as if it were 0.01, or greedily.
  if (temperature >= 0.01 && temperature <= 2) return temperature;
  throw check.optionInvalid(`${owner}.temperature`, temperature, 'a number from 0.01 to 2');
}
