/** Reads the answers to `forward` and `forward_backward`, and checks them against the samples that were sent. */
import {
  BackendError,
  lossAndDerivative,
  type Loss,
  type TrainingSample,
  type TrainablePolicy,
} from '@agent-lightning/core';
import { toSampleNumbers } from './datum.ts';
import { malformed } from './tinker-client.ts';
import { isObject, type JsonObject, type PassOutput } from './protocol.ts';

/** Reads the answer to one request. @throws {BackendError} `backend-failed` when a log-probability is missing */
export function readPass(body: JsonObject, what: string, datums: number): PassOutput {
  const { loss_fn_outputs: outputs, metrics } = body;
  if (!Array.isArray(outputs) || outputs.length !== datums) throw malformed(what, 'loss_fn_outputs');
  const listsOf = (name: 'logprobs' | 'values'): (readonly (number | null)[])[] =>
    outputs.map((output: unknown, index) => {
      const tensor = isObject(output) ? output[name] : undefined;
      const data = isObject(tensor) ? tensor['data'] : undefined;
      if (!Array.isArray(data)) throw malformed(what, `loss_fn_outputs[${index}].${name}`);
      return data as readonly (number | null)[];
    });
  const hasValues = outputs.some((output: unknown) => isObject(output) && 'values' in output);
  const numbers = Object.entries(isObject(metrics) ? metrics : {}).filter((entry) => typeof entry[1] === 'number');
  return {
    logprobs: listsOf('logprobs'),
    ...(hasValues ? { values: listsOf('values') } : {}),
    metrics: Object.fromEntries(numbers) as Record<string, number>,
  };
}

/** Returns the log-probabilities of each sample, shape (T,). @throws {BackendError} `numerics` for one that is not finite */
export function sampleLogprobs(
  samples: readonly TrainingSample[],
  pass: PassOutput,
  what: string,
): readonly Float32Array[] {
  return sampleNumbers(samples, pass.logprobs, what, 'logprobs');
}

/** Returns the critic's values of each sample, shape (T,). @throws {BackendError} `numerics` for one that is not finite, `backend-failed` where there are none */
export function sampleValues(
  samples: readonly TrainingSample[],
  pass: PassOutput,
  what: string,
): readonly Float32Array[] {
  return sampleNumbers(samples, pass.values ?? [], what, 'values');
}

function sampleNumbers(
  samples: readonly TrainingSample[],
  lists: readonly (readonly (number | null)[])[],
  what: string,
  field: 'logprobs' | 'values',
): readonly Float32Array[] {
  return samples.map((sample, index) => {
    const numbers = toSampleNumbers(sample, lists[index] ?? []);
    if (numbers === undefined)
      throw malformed(what, `loss_fn_outputs[${index}].${field}: another length than its sample`);
    if (numbers.every((value) => Number.isFinite(value))) return numbers;
    throw new BackendError(
      `${what}: a ${field === 'values' ? 'value' : 'log-probability'} of sample ${index} is not finite.`,
      { code: 'numerics' },
    );
  });
}

/**
 * Returns the result of a pass, with the critic's loss where there is one. Where a server reports no loss, it is computed from the log-probabilities, by core's definition.
 * @throws {BackendError} `numerics` when the loss is not finite
 */
export function passResult(
  samples: readonly TrainingSample[],
  loss: Loss,
  pass: PassOutput,
  what: string,
  hasValueLoss: boolean,
): Awaited<ReturnType<TrainablePolicy['forwardBackward']>> {
  const logprobs = sampleLogprobs(samples, pass, what);
  const trainedTokens = samples.reduce(
    (sum, sample) => sum + sample.lossMask.reduce((ones, mask) => ones + mask, 0),
    0,
  );
  const value =
    pass.metrics['loss:sum'] ??
    samples.reduce((sum, sample, index) => sum + lossAndDerivative(sample, logprobs[index]!, loss).loss, 0);
  if (!Number.isFinite(Math.fround(value)))
    throw new BackendError(`${what}: the ${loss.name} loss is ${value}.`, { code: 'numerics' });
  const valueLoss = pass.metrics['value_loss:sum'];
  if (hasValueLoss && valueLoss === undefined) throw malformed(what, 'metrics.value_loss:sum');
  const entropy = pass.metrics['entropy:sum'];
  return {
    logprobs,
    loss: value,
    trainedTokens,
    ...(hasValueLoss ? { valueLoss: valueLoss! } : {}),
    ...(entropy === undefined || trainedTokens === 0 ? {} : { entropy: entropy / trainedTokens }),
  };
}
