import { BackendError, ConfigurationError } from '../errors.ts';
import type { BatchRow } from './batch.ts';

/**
 * Rows whose advantages also pull the policy towards a reference: A_t + β·(mean_u d_u − d_t), weighted like A_t, with
 * d_t = q_t − ref_t the log-ratio at sampling time, so that the penalty is a reward like any other and every loss keeps its
 * form. The mean over all trained tokens of the rows is the penalty's baseline.
 * @param referenceLogprobs per row, shape (T,), nats: the reference's log-probabilities, as `forwardBase` gives them
 * @param coefficient β ≥ 0
 * @returns the rows, and the mean of d: KL(sampler ‖ reference) in nats, by k1
 * @throws {ConfigurationError} `option-invalid` for a bad coefficient
 * @throws {BackendError} `rows-invalid` when the log-probabilities are not those of the rows, `numerics` when one is not finite
 * @source thinking-machines-lab/tinker-cookbook `incorporate_kl_penalty`
 */
export function penalizeDivergence(
  rows: readonly BatchRow[],
  referenceLogprobs: readonly ArrayLike<number>[],
  coefficient: number,
): { readonly rows: readonly BatchRow[]; readonly meanDivergence: number } {
  if (!(coefficient >= 0 && coefficient < Infinity)) {
    throw new ConfigurationError(
      `the coefficient of the divergence from the reference is ${coefficient}; give a number from 0`,
      { code: 'option-invalid' },
    );
  }
  const divergences = rows.map((row, index) => divergenceOf(row, referenceLogprobs[index], index)); // (rows) → (rows, T)
  const trained = rows.reduce((sum, row) => sum + row.lossMask.reduce((count, bit) => count + bit, 0), 0);
  const total = divergences.reduce((sum, row) => sum + row.reduce((rowSum, value) => rowSum + value, 0), 0);
  const meanDivergence = trained === 0 ? 0 : total / trained;
  return {
    meanDivergence,
    rows: rows.map((row, index) => penalized(row, divergences[index]!, meanDivergence, coefficient)),
  };
}

function divergenceOf(row: BatchRow, reference: ArrayLike<number> | undefined, index: number): Float64Array {
  if (reference?.length !== row.tokens.length) {
    throw new BackendError(
      `row ${index} of ${row.tokens.length} tokens has ${reference?.length ?? 'no'} reference log-probabilities`,
      { code: 'rows-invalid' },
    );
  }
  return Float64Array.from(row.logprobs, (q, t) => {
    if (row.lossMask[t] === 0) return 0;
    if (!Number.isFinite(reference[t]))
      throw new BackendError(`reference log-probability ${t} of row ${index} is ${reference[t]}`, { code: 'numerics' });
    return q - reference[t]!;
  });
}

function penalized(row: BatchRow, divergence: Float64Array, meanDivergence: number, coefficient: number): BatchRow {
  const tokenAdvantages = row.tokenAdvantages.map((advantage, t) =>
    row.lossMask[t] === 0 ? 0 : advantage + coefficient * (meanDivergence - divergence[t]!),
  );
  return {
    ...row,
    tokenAdvantages,
    advantages: Float32Array.from(tokenAdvantages, (advantage) => advantage * row.tokenWeight),
  };
}
