/** Computes the output layer of a training pass, some predictions at a time, so that the logits of a large vocabulary need little memory. */
import type { Address } from '../kernels/kernels.ts';
import { normalize, type Model } from '../model/layer-forward.ts';
import { linear, linearBackward } from '../model/linear.ts';
import { scoreValues, type CriticPass } from './critic-head.ts';
import type { Chunk } from './token-tree.ts';
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
 * pass learns, it fills `space.dLastNorm` (S, hidden), too, and adds to the head's gradient. The head is linear and has no bias, so its input
 * over the temperature gives the logits over the temperature. Returns the critic's values, (S,), where it is given.
 */
export function scorePredictions(
  model: Model,
  space: TrainingSpace,
  { targets, temperatures }: Pick<Chunk, 'targets' | 'temperatures'>,
  forward: Address,
  learning: Learning | undefined,
  critic: CriticPass | undefined,
): Float32Array | undefined {
  const { kernels, config, widths, layout } = model;
  const { hidden } = widths;
  const predictions = targets.length;
  kernels.gatherRows(predictions, config.hiddenSize, space.predictors, space.output, hidden, space.last, hidden);
  normalize(model, forward, layout.finalNorm, predictions, space.last, space.lastNorm, space.lastInverse);
  if (temperatures) divideRows(model, space.lastNorm, temperatures);
  for (let first = 0; first < predictions; first += space.predictionsAtOnce)
    scorePiece(model, space, first, Math.min(space.predictionsAtOnce, predictions - first), forward, learning);
  if (temperatures && learning) divideRows(model, space.dLastNorm, temperatures);
  if (critic === undefined) return undefined;
  if (temperatures)
    // a value has no temperature
    normalize(model, forward, layout.finalNorm, predictions, space.last, space.lastNorm, space.lastInverse);
  return scoreValues(model, space, predictions, critic);
}

/** Divides each row at `address`, (S, hidden), by its temperature. */
function divideRows({ memory, config, widths }: Model, address: Address, temperatures: Float32Array): void {
  const rows = new Float32Array(memory.buffer, address, temperatures.length * widths.hidden);
  for (const [i, temperature] of temperatures.entries()) {
    if (temperature === 1) continue;
    const first = i * widths.hidden;
    for (let column = first; column < first + config.hiddenSize; column++) rows[column]! /= temperature;
  }
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
