/** Checks that every training backend makes of its input before it uses it. */
import type { AdamParameters, BackendCapabilities, Loss, PolicySpec, TrainingSample } from './training-backend.ts';
import { BackendError, ConfigurationError } from '../errors.ts';

interface SampleLimits {
  /** Token ids are below this. */
  readonly vocabularySize: number;
  /** The longest sample, in tokens. */
  readonly maxSampleTokens: number;
  /** True where the backend scores at a sample's temperature. @default false */
  readonly hasTemperature?: boolean;
}

/** Checks the samples of a batch. @throws {BackendError} `samples-invalid` naming the sample, the field and the value */
function checkSamples(samples: readonly TrainingSample[], limits: SampleLimits): void {
  if (samples.length === 0)
    throw new BackendError('A training batch needs at least one sample; it has none.', { code: 'samples-invalid' });
  for (const [i, sample] of samples.entries()) checkSample(sample, i, limits);
}

function checkSample(sample: TrainingSample, index: number, limits: SampleLimits): void {
  const { vocabularySize, maxSampleTokens } = limits;
  const fail = (what: string): never => {
    throw new BackendError(`Sample ${index}: ${what}.`, { code: 'samples-invalid' });
  };
  const length = sample.tokens.length;
  if (length < 2) fail(`tokens has ${length} entries; a sample needs at least 2`);
  if (length > maxSampleTokens)
    fail(
      `tokens has ${length} entries; this model takes at most ${maxSampleTokens}. Cut the sample or use a model with more positions`,
    );
  for (const field of ['lossMask', 'logprobs', 'advantages'] as const) {
    if (sample[field].length !== length)
      fail(`${field} has ${sample[field].length} entries, tokens has ${length}; they must be aligned`);
  }
  if (sample.lossMask[0] !== 0)
    fail(`lossMask[0] is ${sample.lossMask[0]}; nothing predicts the first token, so it must be 0`);
  const { temperature = 1 } = sample;
  if (!(temperature > 0 && temperature < Infinity)) fail(`temperature is ${temperature}; it must be a number above 0`);
  if (temperature !== 1 && limits.hasTemperature !== true)
    fail(
      `temperature is ${temperature}; this backend scores at temperature 1 only. Sample at 1, or use another backend`,
    );
  for (let t = 0; t < length; t++) {
    const token = sample.tokens[t]!;
    if (!(token >= 0 && token < vocabularySize))
      fail(`tokens[${t}] is ${token}; ids of this model are 0 to ${vocabularySize - 1}`);
    const mask = sample.lossMask[t]!;
    if (mask > 1) fail(`lossMask[${t}] is ${mask}; it must be 0 or 1`);
    if (!Number.isFinite(sample.logprobs[t])) fail(`logprobs[${t}] is ${sample.logprobs[t]}; it must be finite`);
    if (!Number.isFinite(sample.advantages[t])) fail(`advantages[${t}] is ${sample.advantages[t]}; it must be finite`);
  }
}

/**
 * Checks that a backend computes a loss, and the loss's clip bounds.
 * @param losses the losses that the backend computes
 * @param options `dualClip`: whether `ppo` honours it
 * @throws {BackendError} `loss-unsupported` for another loss, clip bounds that are no interval, or a dual clip that is none
 */
function checkLoss(
  loss: Loss,
  losses: readonly Loss['name'][],
  options: Pick<BackendCapabilities, 'dualClip'> = {},
): void {
  if (!losses.includes(loss.name)) {
    throw new BackendError(`This backend does not compute the loss '${loss.name}'; it has ${losses.join(', ')}.`, {
      code: 'loss-unsupported',
    });
  }
  if (loss.name !== 'ppo' && loss.name !== 'cispo') return;
  const { clipLow, clipHigh } = loss;
  if (!(clipLow >= 0 && clipLow <= clipHigh && Number.isFinite(clipHigh))) {
    throw new BackendError(
      `The loss ${loss.name} clips ratios to ${clipLow} … ${clipHigh}; the bounds must be finite, ordered and not negative.`,
      { code: 'loss-unsupported' },
    );
  }
  if (loss.name === 'ppo' && loss.dualClip !== undefined) checkDualClip(loss.dualClip, options.dualClip === true);
}

function checkDualClip(dualClip: number, isHonoured: boolean): void {
  if (!isHonoured) {
    throw new BackendError(
      `This backend's ppo has no dual clip, and dualClip is ${dualClip}; send the derivative of the loss as a weighted cross entropy.`,
      { code: 'loss-unsupported' },
    );
  }
  if (dualClip > 1 && Number.isFinite(dualClip)) return;
  throw new BackendError(`The loss ppo has dualClip ${dualClip}; it must be a finite ratio above 1.`, {
    code: 'loss-unsupported',
  });
}

/**
 * Checks the name and the seed of a new policy.
 * @param policies those that the backend has, by name
 * @throws {ConfigurationError} `option-invalid` for a seed that is no integer, and a name that is empty or taken
 */
function checkPolicySpec({ name, seed }: PolicySpec, policies: { has(name: string): boolean }): void {
  if (!Number.isSafeInteger(seed))
    throw new ConfigurationError(`createPolicy(): seed is ${seed}; expected an integer.`, { code: 'option-invalid' });
  if (name === '' || policies.has(name)) {
    throw new ConfigurationError(
      `createPolicy(): name is '${name}'; expected a name that no other policy of this backend has.`,
      { code: 'option-invalid' },
    );
  }
}

/** The values of the fields that {@link AdamParameters} may leave out. */
const adamDefaults: Required<Omit<AdamParameters, 'learningRate'>> = Object.freeze({
  beta1: 0.9,
  beta2: 0.95,
  epsilon: 1e-8,
  weightDecay: 0,
  maxGradientNorm: 0,
});

/** Fills in the defaults. @throws {ConfigurationError} `option-invalid` naming the field and its value */
function resolveAdam(adam: AdamParameters): Required<AdamParameters> {
  const filled = { ...adamDefaults, ...adam };
  const limits = {
    learningRate: Infinity,
    beta1: 1,
    beta2: 1,
    epsilon: Infinity,
    weightDecay: Infinity,
    maxGradientNorm: Infinity,
  } as const;
  for (const [field, limit] of Object.entries(limits)) {
    const value = filled[field as keyof typeof limits];
    if (!(value >= 0 && value < limit)) {
      throw new ConfigurationError(
        `The optimizer's ${field} is ${value}; it must be a number from 0${limit === 1 ? ' to below 1' : ''}.`,
        { code: 'option-invalid' },
      );
    }
  }
  return filled;
}

/** Checks of what a training backend is given, for authors of backends. */
export const backendChecks: {
  /** Rejects samples that are not aligned, are too long, or hold what no model has. @throws {BackendError} `samples-invalid` */
  readonly samples: typeof checkSamples;
  /** Rejects a loss that is not among `losses`, and a dual clip that `ppo` does not honour. @throws {BackendError} `loss-unsupported` */
  readonly loss: typeof checkLoss;
  /** Rejects names and seeds that no backend takes. @throws {ConfigurationError} `option-invalid` */
  readonly policySpec: typeof checkPolicySpec;
  /** Fills in the optimizer's defaults. @throws {ConfigurationError} `option-invalid` */
  readonly adam: typeof resolveAdam;
  readonly adamDefaults: typeof adamDefaults;
} = Object.freeze({
  samples: checkSamples,
  loss: checkLoss,
  policySpec: checkPolicySpec,
  adam: resolveAdam,
  adamDefaults,
});
