/** What `forward` and `forward_backward` answered, checked against the rows that were sent. */
import {
  BackendError,
  lossAndDerivative,
  type Loss,
  type TrainingSample,
  type TrainablePolicy,
} from '@agent-lightning/core';
import { toRowLogprobs } from './datum.ts';
import { malformed } from './tinker-client.ts';
import { isObject, type JsonObject, type PassOutput } from './wire.ts';

/** @throws {BackendError} `backend-failed` when a log-probability is missing */
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

/** Per row, shape (T,). @throws {BackendError} `numerics` for one that is not finite */
export function rowLogprobs(rows: readonly TrainingSample[], pass: PassOutput, what: string): readonly Float32Array[] {
  return rows.map((row, index) => {
    const logprobs = toRowLogprobs(row, pass.logprobs[index] ?? []);
    if (logprobs === undefined)
      throw malformed(what, `loss_fn_outputs[${index}].logprobs: another length than its row`);
    if (logprobs.every((value) => Number.isFinite(value))) return logprobs;
    throw new BackendError(`${what}: a log-probability of row ${index} is not finite.`, { code: 'numerics' });
  });
}

/**
 * The result of a pass. Servers that report no loss have it computed from their log-probabilities, by core's definition.
 * @throws {BackendError} `numerics` when the loss is not finite
 */
export function passResult(
  rows: readonly TrainingSample[],
  loss: Loss,
  pass: PassOutput,
  what: string,
): Awaited<ReturnType<TrainablePolicy['forwardBackward']>> {
  const logprobs = rowLogprobs(rows, pass, what);
  const trainedTokens = rows.reduce((sum, row) => sum + row.lossMask.reduce((ones, mask) => ones + mask, 0), 0);
  const value =
    pass.metrics['loss:sum'] ??
    rows.reduce((sum, row, index) => sum + lossAndDerivative(row, logprobs[index]!, loss).loss, 0);
  if (!Number.isFinite(value))
    throw new BackendError(`${what}: the ${loss.name} loss is ${value}.`, { code: 'numerics' });
  const entropy = pass.metrics['entropy:sum'];
  return {
    logprobs,
    loss: value,
    trainedTokens,
    ...(entropy === undefined || trainedTokens === 0 ? {} : { entropy: entropy / trainedTokens }),
  };
}
