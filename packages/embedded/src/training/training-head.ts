/** Computes the output layer of a training pass, some predictions at a time, so that the logits of a large vocabulary need little memory. */
import type { Address } from '../kernels/kernels.ts';
import { normalize, type Model } from '../model/layer-forward.ts';
import { linear, linearBackward } from '../model/linear.ts';
import { scoreValues, type CriticPass } from './critic-head.ts';
import type { TrainingSpace } from './training-space.ts';

/** Makes a pass learn: it asks for the loss's slope of each prediction once, in order, and adds to the gradient. */
export interface Learning {
  /** Returns d loss / d log-probability of prediction i, whose log-probability is `logprob`, in nats. */
  slopeOf(prediction: number, logprob: number): number;
  /** Address of the gradient. */
  readonly gradients: Address;
}

/**
 * Fills log-probabilities and entropies of the predictions, (S,), from the last layer's output, with the weights at `forward`. When the
 * pass learns, it fills `space.dLastNorm` (S, hidden), too, and adds to the head's gradient. Returns the critic's values, (S,), where it is given.
 */
export function scorePredictions(
  model: Model,
  space: TrainingSpace,
  predictions: number,
  forward: Address,
  learning: Learning | undefined,
  critic: CriticPass | undefined,
): Float32Array | undefined {
  const { kernels, config, widths, layout } = model;
  const { hidden } = widths;
  kernels.gatherRows(predictions, config.hiddenSize, space.predictors, space.output, hidden, space.last, hidden);
  normalize(model, forward, layout.finalNorm, predictions, space.last, space.lastNorm, space.lastInverse);
  for (let first = 0; first < predictions; first += space.predictionsAtOnce)
    scorePiece(model, space, first, Math.min(space.predictionsAtOnce, predictions - first), forward, learning);
  return critic && scoreValues(model, space, predictions, critic);
}

/** Scores `count` predictions from `first` on; their logits become their gradients in place. */
function scorePiece(
  model: Model,
  space: TrainingSpace,
  first: number,
  count: number,
  forward: Address,
  learning: Learning | undefined,
): void {
  const { kernels, config, widths, layout } = model;
  const stride = widths.logits;
  const rows = { at: space.lastNorm + first * widths.hidden * 4, stride: widths.hidden };
  const logits = { at: space.logits, stride };
  const targets = space.targets + first * 4;
  const logSums = space.logSums + first * 4;
  linear(model, forward, layout.head, count, rows, logits);
  kernels.tokenLogprobs(
    count,
    config.vocabSize,
    logits.at,
    stride,
    targets,
    space.logprobs + first * 4,
    logSums,
    space.entropies + first * 4,
  );
  if (!learning) return;
  const { slopes, logprobs } = space.views;
  for (let i = first; i < first + count; i++) slopes[i] = learning.slopeOf(i, logprobs[i]!);
  kernels.logitGradients(count, config.vocabSize, logits.at, stride, targets, logSums, space.slopes + first * 4);
  const dRows = { at: space.dLastNorm + first * widths.hidden * 4, stride: widths.hidden };
  linearBackward(model, layout.head, count, logits, rows, dRows, learning.gradients);
}
