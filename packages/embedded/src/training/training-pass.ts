/**
 * Runs the forward and the backward pass over a chunk: M tokens, of which U predict trained ones, S times in all. Only those U go through the
 * last layer's MLP, and only the S predictions through the head.
 */
import type { Address } from '../kernels/kernels.ts';
import type { SharedHeap } from '../kernels/shared-heap.ts';
import { layerForward, linear, type Model } from '../model/layer-forward.ts';
import { roundUp, type Block } from '../model/parameter-layout.ts';
import type { Chunk } from './token-tree.ts';
import { attentionBackward, attentionForward, planAll, planPredicting, type QueryPlan } from './training-attention.ts';
import { reserveSpace, type TrainingSpace } from './training-space.ts';

/** The head's results for the S predictions, each (S,), in nats. */
export interface ChunkScores {
  readonly logprobs: Float32Array;
  readonly entropies: Float32Array;
}

/** The chunk that `forward` ran last, with its activations and plans. */
interface PassState {
  readonly chunk: Chunk;
  readonly space: TrainingSpace;
  readonly all: QueryPlan;
  readonly predicting: QueryPlan;
}

export class TrainingPass {
  readonly #model: Model;
  readonly #heap: SharedHeap;
  #state: PassState | undefined;

  constructor(model: Model, heap: SharedHeap) {
    this.#model = model;
    this.#heap = heap;
  }

  /** Runs the chunk with the weights at `forward`; keeps the activations that `backward` needs. Views are valid until the next call. */
  forward(chunk: Chunk, forward: Address): ChunkScores {
    const model = this.#model;
    const { kernels, config, layout, widths } = model;
    const space = reserveSpace(model, this.#heap, chunk, this.#state?.space);
    this.#state = { chunk, space, all: planAll(chunk), predicting: planPredicting(chunk) };
    for (const name of ['ids', 'positions', 'predicting', 'predictors', 'targets'] as const)
      space[name].set(chunk[name]);
    const tokens = chunk.ids.length;
    const predictions = chunk.targets.length;
    const hidden = widths.hidden;

    kernels.gatherRows(
      tokens,
      config.hiddenSize,
      space.ids.byteOffset,
      forward + layout.embedding.forward * 4,
      layout.embedding.columns,
      space.layers[0]!.input,
      hidden,
    );
    for (const [i, blocks] of layout.layers.entries()) {
      const act = space.layers[i]!;
      const isLast = i === config.layers - 1;
      const wanted = isLast ? { rows: chunk.predicting.length, gather: space.predicting.byteOffset } : { rows: tokens };
      const attention = (): void => attentionForward(model, this.#planOf(i), act, space, i);
      layerForward(
        model,
        forward,
        blocks,
        tokens,
        space.positions.byteOffset,
        wanted,
        act,
        attention,
        isLast ? space.output : space.layers[i + 1]!.input,
      );
    }

    kernels.gatherRows(
      predictions,
      config.hiddenSize,
      space.predictors.byteOffset,
      space.output,
      hidden,
      space.last,
      hidden,
    );
    kernels.rmsNorm(
      predictions,
      config.hiddenSize,
      config.rmsNormEpsilon,
      space.last,
      hidden,
      forward + layout.finalNorm.forward * 4,
      space.lastNorm,
      hidden,
      space.lastInverse,
    );
    linear(model, forward, layout.head, predictions, space.lastNorm, hidden, space.logits, widths.logits);
    kernels.tokenLogprobs(
      predictions,
      config.vocabSize,
      space.logits,
      widths.logits,
      space.targets.byteOffset,
      space.logprobs.byteOffset,
      space.logSums,
      space.entropies.byteOffset,
    );
    return { logprobs: space.logprobs.subarray(0, predictions), entropies: space.entropies.subarray(0, predictions) };
  }

  /** Adds to `gradients` the gradient of Σ slopes · logprobs, (S,) each, for the chunk that `forward` ran last, with the training weights. */
  backward(slopes: Float32Array, gradients: Address): void {
    const { kernels, config, layout, widths } = this.#model;
    const { chunk, space } = this.#state!;
    const predictions = chunk.targets.length;
    const hidden = widths.hidden;
    space.slopes.set(slopes);

    // Head and final norm, on the predictions: logits become their gradients in place.
    kernels.logitGradients(
      predictions,
      config.vocabSize,
      space.logits,
      widths.logits,
      space.targets.byteOffset,
      space.logSums,
      space.slopes.byteOffset,
    );
    this.#linearBackward(
      layout.head,
      predictions,
      space.logits,
      widths.logits,
      space.lastNorm,
      hidden,
      space.dLastNorm,
      hidden,
      gradients,
    );
    kernels.clearFloats(predictions * hidden, space.dLast);
    this.#normBackward(
      layout.finalNorm,
      predictions,
      space.last,
      space.lastInverse,
      space.dLastNorm,
      space.dLast,
      gradients,
    );
    kernels.clearFloats(chunk.predicting.length * hidden, space.dHidden);
    kernels.scatterAddRows(
      predictions,
      config.hiddenSize,
      space.predictors.byteOffset,
      space.dLast,
      hidden,
      space.dHidden,
      hidden,
    );

    let dOutput = space.dHidden;
    for (let i = config.layers - 1; i >= 0; i--) dOutput = this.#layerBackward(i, dOutput, gradients);
    const embedding = gradients + layout.embedding.offset * 4;
    kernels.scatterAddRows(
      chunk.ids.length,
      config.hiddenSize,
      space.ids.byteOffset,
      dOutput,
      hidden,
      embedding,
      layout.embedding.columns,
    );
  }

  /** Turns the gradient of a layer's output into that of its input, (M, hidden), and returns its address. */
  #layerBackward(index: number, dOutput: Address, gradients: Address): Address {
    const { kernels, config, widths, map, layout } = this.#model;
    const { chunk, space } = this.#state!;
    const act = space.layers[index]!;
    const blocks = layout.layers[index]!;
    const isLast = index === config.layers - 1;
    const tokens = chunk.ids.length;
    const wanted = isLast ? chunk.predicting.length : tokens;
    const { hidden, gateUp, mlp, attended, queryKeyValue } = widths;

    // output = middle + down(silu(gate) · up)
    this.#linearBackward(blocks.down, wanted, dOutput, hidden, act.mlp, mlp, space.dMlp, mlp, gradients);
    kernels.swigluBackward(wanted, roundUp(config.intermediateSize, 8), act.gateUp, gateUp, space.dMlp, mlp);
    this.#linearBackward(blocks.gateUp, wanted, act.gateUp, gateUp, act.norm2, hidden, space.dNorm, hidden, gradients);
    this.#normBackward(blocks.middleNorm, wanted, act.middle, act.inverse2, space.dNorm, dOutput, gradients);
    const dMiddle = dOutput;

    // middle = input + output(attention(rotate(queries, keys), values))
    this.#linearBackward(
      blocks.attentionOutput,
      wanted,
      dMiddle,
      hidden,
      act.attended,
      attended,
      space.dAttended,
      attended,
      gradients,
    );
    kernels.clearFloats(tokens * queryKeyValue, space.dQueryKeyValue);
    attentionBackward(this.#model, this.#planOf(index), act, space, index);
    const rotated = config.heads + config.keyValueHeads;
    kernels.rotate(
      tokens,
      rotated,
      config.headSize,
      space.positions.byteOffset,
      map.cosines,
      map.sines,
      -1,
      space.dQueryKeyValue,
      queryKeyValue,
    );
    this.#linearBackward(
      blocks.queryKeyValue,
      tokens,
      space.dQueryKeyValue,
      queryKeyValue,
      act.norm1,
      hidden,
      space.dNorm,
      hidden,
      gradients,
    );
    let dInput = dMiddle;
    if (isLast) {
      dInput = space.dInput; // (U, hidden) → (M, hidden)
      kernels.clearFloats(tokens * hidden, dInput);
      kernels.scatterAddRows(wanted, config.hiddenSize, space.predicting.byteOffset, dMiddle, hidden, dInput, hidden);
    }
    this.#normBackward(blocks.inputNorm, tokens, act.input, act.inverse1, space.dNorm, dInput, gradients);
    return dInput;
  }

  #planOf(layer: number): QueryPlan {
    return layer === this.#model.config.layers - 1 ? this.#state!.predicting : this.#state!.all;
  }

  /** Computes the gradients of C = A · Wᵀ: dA (rows, inputs) = dC · W, and dW (outputs, inputs) += dCᵀ · A. */
  #linearBackward(
    block: Block,
    rows: number,
    dC: Address,
    dCStride: number,
    a: Address,
    aStride: number,
    dA: Address,
    dAStride: number,
    gradients: Address,
  ): void {
    const { kernels, map } = this.#model;
    kernels.multiply(
      rows,
      block.columns,
      block.rows,
      dC,
      dCStride,
      map.backward + block.backward! * 4,
      8,
      8 * block.rows,
      dA,
      dAStride,
      false,
    );
    kernels.multiplyTransposed(
      block.rows,
      block.columns,
      rows,
      dC,
      dCStride,
      a,
      aStride,
      gradients + block.offset * 4,
      block.columns,
    );
  }

  /** Adds to dX (rows, hidden) and dWeight the gradients of a norm of X. */
  #normBackward(
    block: Block,
    rows: number,
    x: Address,
    inverse: Address,
    dOut: Address,
    dX: Address,
    gradients: Address,
  ): void {
    const { kernels, config, widths, map } = this.#model;
    kernels.rmsNormBackward(
      rows,
      config.hiddenSize,
      x,
      widths.hidden,
      map.forward + block.forward * 4,
      inverse,
      dOut,
      widths.hidden,
      dX,
      widths.hidden,
      gradients + block.offset * 4,
    );
  }
}
