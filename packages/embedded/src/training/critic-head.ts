/** Computes the values of a critic in a training pass: V = b + w·h / H, with h the normed output that makes a prediction. */
import type { Model } from '../model/layer-forward.ts';
import type { TrainingSpace } from './training-space.ts';

/** The critic's head in a pass; where it learns, it asks for the loss's slope of each value once, in order. */
export interface CriticPass {
  /** Shape (H + 1,): w, then b. */
  readonly head: Float32Array;
  readonly learning?: {
    /** Returns d loss / d value of prediction i. */
    slopeOf(prediction: number, value: number): number;
    /** The share of the gradient that goes on into the model. */
    readonly trunkWeight: number;
    /** Shape (H + 1,): the gradient of the head, which is added to. */
    readonly gradient: Float64Array;
  };
}

/**
 * Returns the values of the predictions, (S,). Where the head learns, it adds to the head's gradient, and to `space.dLastNorm` (S, hidden),
 * which holds the gradient of the log-probabilities. The head is a vector, so plain loops cost little beside the output layer.
 */
export function scoreValues(
  model: Model,
  space: TrainingSpace,
  predictions: number,
  { head, learning }: CriticPass,
): Float32Array {
  const { hiddenSize } = model.config;
  const stride = model.widths.hidden;
  const view = (at: number): Float32Array => new Float32Array(model.memory.buffer, at, predictions * stride);
  const [hidden, dHidden] = [view(space.lastNorm), view(space.dLastNorm)];
  const values = new Float32Array(predictions);
  for (let i = 0; i < predictions; i += 1) {
    const row = i * stride;
    let product = 0;
    for (let j = 0; j < hiddenSize; j += 1) product += head[j]! * hidden[row + j]!;
    values[i] = head[hiddenSize]! + product / hiddenSize;
    if (learning === undefined) continue;
    const { gradient, trunkWeight } = learning;
    const slope = learning.slopeOf(i, values[i]!);
    const share = slope / hiddenSize;
    for (let j = 0; j < hiddenSize; j += 1) gradient[j]! += share * hidden[row + j]!;
    gradient[hiddenSize]! += slope;
    if (trunkWeight === 0) continue;
    for (let j = 0; j < hiddenSize; j += 1) dHidden[row + j]! += trunkWeight * share * head[j]!;
  }
  return values;
}
