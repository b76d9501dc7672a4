/** Translates training samples, whose arrays are aligned with their tokens, into datums, which are shifted by one, and back. */
import type { backendChecks, Loss, TrainingSample } from '@agent-lightning/core';
import { toModelInput, type Datum, type Tensor } from './protocol.ts';

/**
 * Returns a sample (T,) as the datum (N = T − 1,) that a loss takes: predicting `tokens[t]` is entry t of a sample and t − 1 of a datum.
 * @param takesMask whether the server is told `lossMask` beside the loss's own inputs: it then computes those positions only
 */
export function toDatum(sample: TrainingSample, loss: Loss['name'], takesMask: boolean = false): Datum {
  const { tokens, logprobs, advantages } = sample;
  const inputs: Record<string, Tensor> = {
    target_tokens: { data: Array.from(tokens.subarray(1)), dtype: 'int64', shape: [tokens.length - 1] },
  };
  if (loss === 'cross_entropy') inputs['weights'] = floats(trainedOnly(sample, advantages));
  else {
    inputs['logprobs'] = floats(trainedOnly(sample, logprobs));
    inputs['advantages'] = floats(trainedOnly(sample, advantages));
  }
  const { temperature = 1 } = sample;
  // Only a worker knows it; samples for other servers have temperature 1.
  if (temperature !== 1) inputs['temperature'] = floats(new Float32Array(tokens.length - 1).fill(temperature));
  if (takesMask) inputs['mask'] = floats(Float32Array.from(sample.lossMask.subarray(1)));
  return { model_input: toModelInput(tokens.subarray(0, -1)), loss_fn_inputs: inputs };
}

/** The loss of a critic, as core's contract of backends has it. */
export type ValueLoss = Parameters<typeof backendChecks.valueLoss>[0];

/** Returns a datum with the targets and weights of its sample, the one at `index`, for the critic's loss. */
export function withValueLoss(
  datum: Datum,
  sample: TrainingSample,
  { targets, weights }: ValueLoss,
  index: number,
): Datum {
  const inputs = {
    value_targets: floats(trainedOnly(sample, targets[index]!)),
    value_weights: floats(trainedOnly(sample, weights[index]!)),
  };
  return { ...datum, loss_fn_inputs: { ...datum.loss_fn_inputs, ...inputs } };
}

/** Returns a sample as the datum of a forward pass that is asked for log-probabilities where `lossMask` is 1. */
export function toForwardDatum(sample: TrainingSample, takesMask: boolean = false): Datum {
  return toDatum({ ...sample, advantages: Float32Array.from(sample.lossMask) }, 'cross_entropy', takesMask);
}

/**
 * Returns a datum's numbers (N,), such as log-probabilities, as a sample's (T,): 0 where `lossMask` is 0, whatever the server computed there; NaN for
 * what arrived as null, which is how JSON has a number that is not finite.
 * Returns undefined when the server sent another number of them.
 */
export function toSampleNumbers(sample: TrainingSample, values: readonly (number | null)[]): Float32Array | undefined {
  if (values.length !== sample.tokens.length - 1) return undefined;
  return Float32Array.from(sample.tokens, (_, t) => (sample.lossMask[t] === 0 ? 0 : (values[t - 1] ?? Number.NaN)));
}

/** Sets values to 0 where the mask is 0: the protocol has no mask, and a 0 keeps them out of the loss in the same way. */
function trainedOnly(sample: TrainingSample, values: Float32Array): Float32Array {
  return values.map((value, t) => (sample.lossMask[t] === 0 ? 0 : value)).subarray(1);
}

/** Writes float32 values with nine significant digits, which give them back exactly in half the bytes of a double's shortest form. */
function floats(values: Float32Array): Tensor {
  return {
    data: Array.from(values, (value) => Number(value.toPrecision(9))),
    dtype: 'float32',
    shape: [values.length],
  };
}
