import type { Loss, TrainingRow } from '@agent-lightning/core';
import type { OffPolicyMetrics } from '../metrics.ts';

/** Adds up, over the minibatches of a step, how far the policy is from the one that sampled. */
export class OffPolicyMeter {
  readonly #loss: Loss;
  #tokens = 0;
  #ratioSum = 0;
  #ratioMax = 0;
  #clipped = 0;
  #firstKl: number | undefined;

  constructor(loss: Loss) {
    this.#loss = loss;
  }

  /** @param logprobs per row, shape (T,), nats: the trainer's, before the update that follows */
  add(rows: readonly TrainingRow[], logprobs: readonly Float32Array[]): void {
    const [low, high] = 'clipLow' in this.#loss ? [this.#loss.clipLow, this.#loss.clipHigh] : [0, Infinity];
    let tokens = 0;
    let kl = 0;
    rows.forEach((row, index) => {
      for (let t = 0; t < row.tokens.length; t++) {
        if (row.lossMask[t] === 0) continue;
        const logRatio = logprobs[index]![t]! - row.logprobs[t]!;
        const ratio = Math.exp(logRatio);
        tokens += 1;
        kl += ratio - 1 - logRatio; // k3
        this.#ratioSum += ratio;
        this.#ratioMax = Math.max(this.#ratioMax, ratio);
        if (ratio < low || ratio > high) this.#clipped += 1;
      }
    });
    this.#tokens += tokens;
    if (tokens > 0) this.#firstKl ??= kl / tokens;
  }

  summary(): OffPolicyMetrics | undefined {
    if (this.#tokens === 0) return undefined;
    return {
      ratioMean: this.#ratioSum / this.#tokens,
      ratioMax: this.#ratioMax,
      clipFraction: this.#clipped / this.#tokens,
      klSamplerTrainer: this.#firstKl ?? 0,
    };
  }
}
