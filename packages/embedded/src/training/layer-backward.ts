/** Turns the gradient of a layer's output into that of its input, and adds to the gradients of its trained weights. */
import type { Address } from '../kernels/kernels.ts';
import { eachNormedHead, type Model } from '../model/layer-forward.ts';
import { linearBackward, vectorAt } from '../model/linear.ts';
import type { LayerBlocks } from '../model/parameter-layout.ts';
import { roundUp, type Vector } from '../model/weights.ts';
import type { PassState } from './training-pass.ts';
import { attentionBackward } from './training-attention.ts';
import type { TrainingSpace } from './training-space.ts';

/** The backward passes of the layers, with the training weights. */
export class LayerBackward {
  readonly #model: Model;

  constructor(model: Model) {
    this.#model = model;
  }

  /** Turns `dOutput` of a layer into the gradient of its input, (M, hidden), and returns its address. */
  run(state: PassState, layer: number, dOutput: Address, gradients: Address): Address {
    const { kernels, config, widths, layout } = this.#model;
    const { chunk, space } = state;
    const blocks = layout.layers[layer]!;
    const { hidden } = widths;
    const isLast = layer === config.layers - 1;
    const tokens = chunk.ids.length;
    const wanted = isLast ? chunk.predicting.length : tokens;
    this.#mlp(space, blocks, layer, wanted, dOutput, gradients);
    const dMiddle = dOutput;
    this.#attention(state, layer, wanted, dMiddle, gradients);
    let dInput = dMiddle;
    if (isLast) {
      dInput = space.dInput; // (U, hidden) → (M, hidden)
      kernels.clearFloats(tokens * hidden, dInput);
      kernels.scatterAddRows(wanted, config.hiddenSize, space.predicting, dMiddle, hidden, dInput, hidden);
    }
    const act = space.layers[layer]!;
    this.normalize(space, blocks.inputNorm, tokens, act.input, act.inverse1, space.dNorm, dInput, gradients);
    return dInput;
  }

  /** Adds to dX (rows, hidden) and to the weight's gradient the gradients of a norm of X. */
  normalize(
    space: TrainingSpace,
    weight: Vector,
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
      vectorAt(this.#model, map.forward, weight),
      inverse,
      dOut,
      widths.hidden,
      dX,
      widths.hidden,
      gradientOf(space, weight, gradients),
    );
  }

  /** Goes back through output = middle + down(silu(gate) · up): turns `dOutput` into the gradient of the middle. */
  #mlp(
    space: TrainingSpace,
    blocks: LayerBlocks,
    layer: number,
    rows: number,
    dOutput: Address,
    gradients: Address,
  ): void {
    const { kernels, config, widths } = this.#model;
    const act = space.layers[layer]!;
    const dMlp = { at: space.dMlp, stride: widths.mlp };
    const dNorm = { at: space.dNorm, stride: widths.hidden };
    const mlp = { at: act.mlp, stride: widths.mlp };
    linearBackward(this.#model, blocks.down, rows, { at: dOutput, stride: widths.hidden }, mlp, dMlp, gradients);
    const width = roundUp(config.intermediateSize, 8);
    kernels.swigluBackward(rows, width, act.gateUp, widths.gateUp, dMlp.at, dMlp.stride);
    const dGateUp = { at: act.gateUp, stride: widths.gateUp };
    const norm2 = { at: act.norm2, stride: widths.hidden };
    linearBackward(this.#model, blocks.gateUp, rows, dGateUp, norm2, dNorm, gradients);
    this.normalize(space, blocks.middleNorm, rows, act.middle, act.inverse2, dNorm.at, dOutput, gradients);
  }

  /** Goes back through output(attention(rotate(queries, keys), values)): fills `space.dNorm` from the gradient of the middle. */
  #attention(state: PassState, layer: number, wanted: number, dMiddle: Address, gradients: Address): void {
    const { kernels, config, widths, map, layout } = this.#model;
    const { chunk, space } = state;
    const act = space.layers[layer]!;
    const blocks = layout.layers[layer]!;
    const tokens = chunk.ids.length;
    const { hidden } = widths;
    const attended = { at: act.attended, stride: widths.attended };
    const dAttended = { at: space.dAttended, stride: widths.attended };
    linearBackward(
      this.#model,
      blocks.attentionOutput,
      wanted,
      { at: dMiddle, stride: hidden },
      attended,
      dAttended,
      gradients,
    );
    const dQueries = { at: space.dQueryKeyValue, stride: widths.queryKeyValue };
    kernels.clearFloats(tokens * dQueries.stride, dQueries.at);
    const plan = layer === config.layers - 1 ? state.predicting : state.all;
    attentionBackward(this.#model, plan, act, space, layer);
    const rotated = config.heads + config.keyValueHeads;
    const { cosines, sines } = map;
    kernels.rotate(tokens, rotated, config.headSize, space.positions, cosines, sines, -1, dQueries.at, dQueries.stride);
    this.#normsAndBiases(space, blocks, layer, tokens, gradients);
    const norm1 = { at: act.norm1, stride: hidden };
    const dNorm = { at: space.dNorm, stride: hidden };
    linearBackward(this.#model, blocks.queryKeyValue, tokens, dQueries, norm1, dNorm, gradients);
  }

  /** Goes back through the norms and the biases of queries and keys, in `space.dQueryKeyValue`, where the model has them. */
  #normsAndBiases(space: TrainingSpace, blocks: LayerBlocks, layer: number, tokens: number, gradients: Address): void {
    const { kernels, config, widths, map } = this.#model;
    const { rawQueryKey, inverseQueryKey } = space.layers[layer]!;
    const stride = widths.queryKeyValue;
    const { headSize } = config;
    if (rawQueryKey !== undefined && inverseQueryKey !== undefined) {
      kernels.clearFloats(tokens * stride, space.dRawQueryKey);
      eachNormedHead(config, blocks, (head, norm) => {
        const column = head * headSize * 4;
        kernels.rmsNormBackward(
          tokens,
          headSize,
          rawQueryKey + column,
          stride,
          vectorAt(this.#model, map.forward, norm),
          inverseQueryKey + head * tokens * 4,
          space.dQueryKeyValue + column,
          stride,
          space.dRawQueryKey + column,
          stride,
          gradientOf(space, norm, gradients),
        );
      });
      const width = (config.heads + config.keyValueHeads) * headSize;
      kernels.copyRows(tokens, width, space.dRawQueryKey, stride, space.dQueryKeyValue, stride);
    }
    let column = 0;
    for (const bias of blocks.queryKeyValueBiases) {
      const to = gradientOf(space, bias, gradients);
      if (bias.kind !== 'frozen-vector')
        kernels.sumRows(tokens, bias.columns, space.dQueryKeyValue + column * 4, stride, to);
      column += bias.columns;
    }
  }
}

/** Returns the address of a vector's gradient; nobody reads that of a frozen one. */
function gradientOf(space: TrainingSpace, vector: Vector, gradients: Address): Address {
  return vector.kind === 'frozen-vector' ? space.discarded : gradients + vector.offset * 4;
}
