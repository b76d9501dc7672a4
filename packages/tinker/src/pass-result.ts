/** Reads the answers to `forward` and `forward_backward`, and checks them against the samples that were sent. */
import {
  BackendError,
  lossAndDerivative,
  type Loss,
  type TrainingSample,
  type TrainablePolicy,
} from '@agent-lightning/core';
import { toSampleLogprobs } from './datum.ts';
import { malformed } from './tinker-client.ts';
import { isObject, type JsonObject, type PassOutput } from './protocol.ts';

/** Reads the answer to one request. @throws {BackendError} `backend-failed` when a log-probability is missing */
export function readPass(body: JsonObject, what: string, datums: number): PassOutput {
  const { loss_fn_outputs: outputs, metrics } = body;
  if (!Array.isArray(outputs) || outputs.length !== datums) throw malformed(what, 'loss_fn_outputs');
  const logprobs = outputs.map((output: unknown, index) => {
    const tensor = isObject(output) ? output['logprobs'] : undefined;
    const data = isObject(tensor) ? tensor['data'] : undefined;
    if (!Array.isArray(data)) throw malformed(what, `loss_fn_outputs[${index}].logprobs`);
    return data as readonly (number | null)[];
  });
  const numbers = Object.entries(isObject(metrics) ? metrics : {}).filter((entry) => typeof entry[1] === 'number');
  return { logprobs, metrics: Object.fromEntries(numbers) as Record<string, number> };
}

/** Returns the log-probabilities of each sample, shape (T,). @throws {BackendError} `numerics` for one that is not finite */
export function sampleLogprobs(
  samples: readonly TrainingSample[],
  pass: PassOutput,
  what: string,
): readonly Float32Array[] {
  return samples.map((sample, index) => {
    const logprobs = toSampleLogprobs(sample, pass.logprobs[index] ?? []);
    if (logprobs === undefined)
      throw malformed(what, `loss_fn_outputs[${index}].logprobs: another length than its sample`);
    if (logprobs.every((value) => Number.isFinite(value))) return logprobs;
    throw new BackendError(`${what}: a log-probability of sample ${index} is not finite.`, { code: 'numerics' });
  });
}

/**
 * Returns the result of a pass. Where a server reports no loss, it is computed from the log-probabilities, by core's definition.
 * @throws {BackendError} `numerics` when the loss is not finite
 */
export function passResult(
  samples: readonly TrainingSample[],
  loss: Loss,
  pass: PassOutput,
  what: string,
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
  const entropy = pass.metrics['entropy:sum'];
  return {
    logprobs,
    loss: value,
    trainedTokens,
    ...(entropy === undefined || trainedTokens === 0 ? {} : { entropy: entropy / trainedTokens }),
  };
}
