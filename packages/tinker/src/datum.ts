/** Rows, whose arrays are aligned with their tokens, ↔ datums, which are shifted by one. */
import type { Loss, TrainingSample } from '@agent-lightning/core';
import { toModelInput, type Datum, type WireTensor } from './wire.ts';

/**
 * A row (T,) as the datum (N = T − 1,) that a loss takes: predicting `tokens[t]` is entry t of a row and t − 1 of a datum.
 * @param takesMask whether the server is told `lossMask` beside the loss's own inputs: it then computes those positions only
 */
export function toDatum(row: TrainingSample, loss: Loss['name'], takesMask: boolean = false): Datum {
  const { tokens, logprobs, advantages } = row;
  const inputs: Record<string, WireTensor> = {
    target_tokens: { data: Array.from(tokens.subarray(1)), dtype: 'int64', shape: [tokens.length - 1] },
  };
  if (loss === 'cross_entropy') inputs['weights'] = floats(trainedOnly(row, advantages));
  else {
    inputs['logprobs'] = floats(trainedOnly(row, logprobs));
    inputs['advantages'] = floats(trainedOnly(row, advantages));
  }
  if (takesMask) inputs['mask'] = floats(Float32Array.from(row.lossMask.subarray(1)));
  return { model_input: toModelInput(tokens.subarray(0, -1)), loss_fn_inputs: inputs };
}

/** A row as the datum of a forward pass that is asked for log-probabilities where `lossMask` is 1. */
export function toForwardDatum(row: TrainingSample, takesMask: boolean = false): Datum {
  return toDatum({ ...row, advantages: Float32Array.from(row.lossMask) }, 'cross_entropy', takesMask);
}

/**
 * A datum's log-probabilities (N,) as a row's (T,): 0 where `lossMask` is 0, whatever the server computed there; NaN for
 * what arrived as null, which is how JSON has a number that is not finite.
 * Undefined when the server sent another number of them.
 */
export function toRowLogprobs(row: TrainingSample, values: readonly (number | null)[]): Float32Array | undefined {
  if (values.length !== row.tokens.length - 1) return undefined;
  return Float32Array.from(row.tokens, (_, t) => (row.lossMask[t] === 0 ? 0 : (values[t - 1] ?? Number.NaN)));
}

/** What a mask of 0 hides must not reach a loss: the wire has no mask, and a 0 does the same. */
function trainedOnly(row: TrainingSample, values: Float32Array): Float32Array {
  return values.map((value, t) => (row.lossMask[t] === 0 ? 0 : value)).subarray(1);
}

/** Nine significant digits give a float32 back exactly, in half the bytes of a double's shortest form. */
function floats(values: Float32Array): WireTensor {
  return {
    data: Array.from(values, (value) => Number(value.toPrecision(9))),
    dtype: 'float32',
    shape: [values.length],
  };
}
