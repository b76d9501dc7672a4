/**
 * Forward and backward over a chunk of rows, packed: the rows' tokens follow each other, M in all, and only attention knows
 * where a row begins. Everything after the last layer runs on the S positions whose next token is trained on.
 */
import { layerForward, linear, type LayerActivations, type Model } from './layer-forward.ts';
import type { Address } from './kernels.ts';
import { roundUp, type Block, type LayerBlocks } from './parameter-layout.ts';
import type { SharedHeap } from './shared-heap.ts';

/** Queries that attention handles at once; its scratch is this many rows of scores. */
const queryBlock = 48;

/** One row inside a chunk. */
export interface Segment {
  /** Index of its first token in the chunk. */
  readonly start: number;
  readonly length: number;
}

/** The tokens of a chunk; arrays are (M,), `selected` and `targets` (S,). */
export interface Chunk {
  readonly segments: readonly Segment[];
  readonly ids: Int32Array;
  readonly positions: Int32Array;
  /** Positions of the chunk whose next token is trained on. */
  readonly selected: Int32Array;
  /** Those next tokens. */
  readonly targets: Int32Array;
}

/** What the head says about the S selected tokens, each (S,), in nats. */
export interface ChunkScores {
  readonly logprobs: Float32Array;
  readonly entropies: Float32Array;
}

export class TrainingPass {
  readonly #model: Model;
  readonly #heap: SharedHeap;
  #space: Space | undefined;

  constructor(model: Model, heap: SharedHeap) {
    this.#model = model;
    this.#heap = heap;
  }

  /** Runs the chunk with the weights at `forward`; keeps what `backward` needs. Views are valid until the next call. */
  forward(chunk: Chunk, forward: Address): ChunkScores {
    const model = this.#model;
    const { kernels, config, layout, widths } = model;
    const space = this.#reserve(chunk);
    const rows = chunk.ids.length;
    const scored = chunk.selected.length;
    space.ids.set(chunk.ids);
    space.positions.set(chunk.positions);
    space.selected.set(chunk.selected);
    space.targets.set(chunk.targets);

    kernels.gatherRows(
      rows,
      config.hiddenSize,
      space.ids.byteOffset,
      forward + layout.embedding.forward * 4,
      layout.embedding.columns,
      space.layers[0]!.input,
      widths.hidden,
    );
    for (const [i, blocks] of layout.layers.entries()) {
      const act = space.layers[i]!;
      const output = space.layers[i + 1]?.input ?? space.output;
      layerForward(
        model,
        forward,
        blocks,
        rows,
        space.positions.byteOffset,
        act,
        () => this.#attention(chunk, act, space, i),
        output,
      );
    }
    kernels.gatherRows(
      scored,
      config.hiddenSize,
      space.selected.byteOffset,
      space.output,
      widths.hidden,
      space.last,
      widths.hidden,
    );
    kernels.rmsNorm(
      scored,
      config.hiddenSize,
      config.rmsNormEpsilon,
      space.last,
      widths.hidden,
      forward + layout.finalNorm.forward * 4,
      space.lastNorm,
      widths.hidden,
      space.lastInverse,
    );
    linear(model, forward, layout.head, scored, space.lastNorm, widths.hidden, space.logits, widths.logits);
    kernels.tokenLogprobs(
      scored,
      config.vocabSize,
      space.logits,
      widths.logits,
      space.targets.byteOffset,
      space.logprobs.byteOffset,
      space.logSums,
      space.entropies.byteOffset,
    );
    return { logprobs: space.logprobs.subarray(0, scored), entropies: space.entropies.subarray(0, scored) };
  }

  /** Adds to `gradients` the gradient of Σ slopes · logprobs for the chunk that `forward` ran last, with the training weights. */
  backward(chunk: Chunk, slopes: Float32Array, gradients: Address): void {
    const { kernels, config, layout, widths, map } = this.#model;
    const space = this.#space!;
    const rows = chunk.ids.length;
    const scored = chunk.selected.length;
    space.slopes.set(slopes);
    const weight = (block: Block): Address => map.forward + block.forward * 4;
    const gradient = (block: Block): Address => gradients + block.offset * 4;

    // Head and final norm, on the selected positions: logits become their gradients in place.
    kernels.logitGradients(
      scored,
      config.vocabSize,
      space.logits,
      widths.logits,
      space.targets.byteOffset,
      space.logSums,
      space.slopes.byteOffset,
    );
    this.#linearBackward(
      layout.head,
      scored,
      space.logits,
      widths.logits,
      space.lastNorm,
      widths.hidden,
      space.dLastNorm,
      widths.hidden,
      gradients,
    );
    kernels.clearFloats(scored * widths.hidden, space.dLast);
    kernels.rmsNormBackward(
      scored,
      config.hiddenSize,
      space.last,
      widths.hidden,
      weight(layout.finalNorm),
      space.lastInverse,
      space.dLastNorm,
      widths.hidden,
      space.dLast,
      widths.hidden,
      gradient(layout.finalNorm),
    );
    kernels.clearFloats(rows * widths.hidden, space.dHidden);
    kernels.scatterAddRows(
      scored,
      config.hiddenSize,
      space.selected.byteOffset,
      space.dLast,
      widths.hidden,
      space.dHidden,
      widths.hidden,
    );

    for (let i = layout.layers.length - 1; i >= 0; i--)
      this.#layerBackward(layout.layers[i]!, chunk, space, i, gradients);
    kernels.scatterAddRows(
      rows,
      config.hiddenSize,
      space.ids.byteOffset,
      space.dHidden,
      widths.hidden,
      gradient(layout.embedding),
      layout.embedding.columns,
    );
  }

  /** `space.dHidden` (M, hidden) goes from the gradient of the layer's output to that of its input. */
  #layerBackward(blocks: LayerBlocks, chunk: Chunk, space: Space, index: number, gradients: Address): void {
    const { kernels, config, widths, map } = this.#model;
    const act = space.layers[index]!;
    const rows = chunk.ids.length;
    const { hiddenSize } = config;
    const weight = (block: Block): Address => map.forward + block.forward * 4;
    const gradient = (block: Block): Address => gradients + block.offset * 4;

    // output = middle + down(silu(gate) · up)
    this.#linearBackward(
      blocks.down,
      rows,
      space.dHidden,
      widths.hidden,
      act.mlp,
      widths.mlp,
      space.dMlp,
      widths.mlp,
      gradients,
    );
    kernels.swigluBackward(
      rows,
      roundUp(config.intermediateSize, 8),
      act.gateUp,
      widths.gateUp,
      space.dMlp,
      widths.mlp,
    );
    this.#linearBackward(
      blocks.gateUp,
      rows,
      act.gateUp,
      widths.gateUp,
      act.norm2,
      widths.hidden,
      space.dNorm,
      widths.hidden,
      gradients,
    );
    kernels.rmsNormBackward(
      rows,
      hiddenSize,
      act.middle,
      widths.hidden,
      weight(blocks.middleNorm),
      act.inverse2,
      space.dNorm,
      widths.hidden,
      space.dHidden,
      widths.hidden,
      gradient(blocks.middleNorm),
    );

    // middle = input + output(attention(rotate(queries, keys), values))
    this.#linearBackward(
      blocks.attentionOutput,
      rows,
      space.dHidden,
      widths.hidden,
      act.attended,
      widths.attended,
      space.dAttended,
      widths.attended,
      gradients,
    );
    kernels.clearFloats(rows * widths.queryKeyValue, space.dQueryKeyValue);
    this.#attentionBackward(chunk, act, space, index);
    kernels.rotate(
      rows,
      config.heads + config.keyValueHeads,
      config.headSize,
      space.positions.byteOffset,
      map.cosines,
      map.sines,
      -1,
      space.dQueryKeyValue,
      widths.queryKeyValue,
    );
    this.#linearBackward(
      blocks.queryKeyValue,
      rows,
      space.dQueryKeyValue,
      widths.queryKeyValue,
      act.norm1,
      widths.hidden,
      space.dNorm,
      widths.hidden,
      gradients,
    );
    kernels.rmsNormBackward(
      rows,
      hiddenSize,
      act.input,
      widths.hidden,
      weight(blocks.inputNorm),
      act.inverse1,
      space.dNorm,
      widths.hidden,
      space.dHidden,
      widths.hidden,
      gradient(blocks.inputNorm),
    );
  }

  /** For C = A · Wᵀ: dA (rows, inputs) = dC · W, and dW (outputs, inputs) += dCᵀ · A. */
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

  #attention(chunk: Chunk, act: LayerActivations, space: Space, layer: number): void {
    const { kernels, config, widths } = this.#model;
    const { headSize } = config;
    this.#eachHead(chunk, (segment, keyHead, heads) => {
      const row = act.queryKeyValue + segment.start * widths.queryKeyValue * 4;
      const keys = row + (config.heads + keyHead) * headSize * 4;
      const values = keys + config.keyValueHeads * headSize * 4;
      kernels.packTransposed(segment.length, headSize, keys, widths.queryKeyValue, space.keyPanels);
      for (const head of heads) {
        eachQueryBlock(segment, (first, count) => {
          const at = segment.start + first;
          kernels.attend(
            count,
            first,
            headSize,
            headSize ** -0.5,
            act.queryKeyValue + (at * widths.queryKeyValue + head * headSize) * 4,
            widths.queryKeyValue,
            space.keyPanels,
            values,
            widths.queryKeyValue,
            space.scores,
            act.attended + (at * widths.attended + head * headSize) * 4,
            widths.attended,
            this.#logSums(space, chunk, layer, head, at),
          );
        });
      }
    });
  }

  #attentionBackward(chunk: Chunk, act: LayerActivations, space: Space, layer: number): void {
    const { kernels, config, widths } = this.#model;
    const { headSize } = config;
    const stride = widths.queryKeyValue;
    this.#eachHead(chunk, (segment, keyHead, heads) => {
      const keyOffset = (segment.start * stride + (config.heads + keyHead) * headSize) * 4;
      const valueOffset = keyOffset + config.keyValueHeads * headSize * 4;
      kernels.packTransposed(segment.length, headSize, act.queryKeyValue + keyOffset, stride, space.keyPanels);
      kernels.packTransposed(segment.length, headSize, act.queryKeyValue + valueOffset, stride, space.valuePanels);
      for (const head of heads) {
        eachQueryBlock(segment, (first, count) => {
          const at = segment.start + first;
          const query = (at * stride + head * headSize) * 4;
          kernels.attendBackward(
            count,
            first,
            headSize,
            headSize ** -0.5,
            act.queryKeyValue + query,
            act.queryKeyValue + keyOffset,
            stride,
            space.keyPanels,
            space.valuePanels,
            this.#logSums(space, chunk, layer, head, at),
            space.dAttended + (at * widths.attended + head * headSize) * 4,
            widths.attended,
            space.scores,
            space.dScores,
            space.dQueryKeyValue + query,
            space.dQueryKeyValue + keyOffset,
            space.dQueryKeyValue + valueOffset,
            stride,
          );
        });
      }
    });
  }

  /** Calls `work` for each row and key head, with the query heads that share it. */
  #eachHead(chunk: Chunk, work: (segment: Segment, keyHead: number, heads: readonly number[]) => void): void {
    const { heads, keyValueHeads } = this.#model.config;
    const shared = heads / keyValueHeads;
    for (const segment of chunk.segments) {
      for (let keyHead = 0; keyHead < keyValueHeads; keyHead++) {
        work(
          segment,
          keyHead,
          Array.from({ length: shared }, (_, i) => keyHead * shared + i),
        );
      }
    }
  }

  /** Log-sum-exps are kept as (layers, heads, M). */
  #logSums(space: Space, chunk: Chunk, layer: number, head: number, at: number): Address {
    return space.attentionLogSums + ((layer * this.#model.config.heads + head) * chunk.ids.length + at) * 4;
  }

  #reserve(chunk: Chunk): Space {
    const longest = Math.max(...chunk.segments.map((segment) => segment.length));
    const old = this.#space;
    if (old && chunk.ids.length <= old.rows && chunk.selected.length <= old.scored && longest <= old.longest)
      return old;
    if (old) this.#heap.free(old.address, old.bytes);
    // Sizes in coarse steps, so that the space grows a few times and then stays.
    const rows = roundUp(Math.max(chunk.ids.length, old?.rows ?? 0), 128);
    const space = placeSpace(
      this.#model,
      this.#heap,
      rows,
      roundUp(Math.max(chunk.selected.length, old?.scored ?? 0), 64),
      roundUp(Math.max(longest, old?.longest ?? 0), 64),
    );
    this.#space = space;
    return space;
  }
}

function eachQueryBlock(segment: Segment, work: (first: number, count: number) => void): void {
  for (let first = 0; first < segment.length; first += queryBlock)
    work(first, Math.min(queryBlock, segment.length - first));
}

/** Scratch of a pass for up to M `rows`, S `scored` positions and rows of up to `longest` tokens. */
interface Space {
  readonly address: Address;
  readonly bytes: number;
  readonly rows: number;
  readonly scored: number;
  readonly longest: number;
  readonly ids: Int32Array;
  readonly positions: Int32Array;
  readonly selected: Int32Array;
  readonly targets: Int32Array;
  readonly layers: readonly LayerActivations[];
  readonly attentionLogSums: Address;
  readonly output: Address;
  readonly last: Address;
  readonly lastNorm: Address;
  readonly lastInverse: Address;
  readonly logits: Address;
  readonly logSums: Address;
  readonly logprobs: Float32Array;
  readonly entropies: Float32Array;
  readonly slopes: Float32Array;
  readonly dLastNorm: Address;
  readonly dLast: Address;
  readonly dHidden: Address;
  readonly dNorm: Address;
  readonly dMlp: Address;
  readonly dAttended: Address;
  readonly dQueryKeyValue: Address;
  readonly keyPanels: Address;
  readonly valuePanels: Address;
  readonly scores: Address;
  readonly dScores: Address;
}

/** Places the scratch twice: once from 0 to learn its size, then in the heap. */
function placeSpace(model: Model, heap: SharedHeap, rows: number, scored: number, longest: number): Space {
  const bytes = arrange(model, 0, rows, scored, longest).end;
  const address = heap.allocate(bytes);
  return { ...arrange(model, address, rows, scored, longest).space, bytes };
}

function arrange(
  model: Model,
  address: Address,
  rows: number,
  scored: number,
  longest: number,
): { space: Omit<Space, 'bytes'>; end: number } {
  const { config, widths, memory } = model;
  let next = address;
  const floats = (count: number): Address => {
    const at = next;
    next += roundUp(count * 4, 64);
    return at;
  };
  const integers = (count: number): Int32Array => new Int32Array(memory.buffer, floats(count), count);
  const view = (count: number): Float32Array => new Float32Array(memory.buffer, floats(count), count);
  const space: Omit<Space, 'bytes'> = {
    address,
    rows,
    scored,
    longest,
    ids: integers(rows),
    positions: integers(rows),
    selected: integers(scored),
    targets: integers(scored),
    layers: Array.from({ length: config.layers }, () => ({
      input: floats(rows * widths.hidden),
      norm1: floats(rows * widths.hidden),
      inverse1: floats(rows),
      queryKeyValue: floats(rows * widths.queryKeyValue),
      attended: floats(rows * widths.attended),
      middle: floats(rows * widths.hidden),
      norm2: floats(rows * widths.hidden),
      inverse2: floats(rows),
      gateUp: floats(rows * widths.gateUp),
      mlp: floats(rows * widths.mlp),
    })),
    attentionLogSums: floats(config.layers * config.heads * rows),
    output: floats(rows * widths.hidden),
    last: floats(scored * widths.hidden),
    lastNorm: floats(scored * widths.hidden),
    lastInverse: floats(scored),
    logits: floats(scored * widths.logits),
    logSums: floats(scored),
    logprobs: view(scored),
    entropies: view(scored),
    slopes: view(scored),
    dLastNorm: floats(scored * widths.hidden),
    dLast: floats(scored * widths.hidden),
    dHidden: floats(rows * widths.hidden),
    dNorm: floats(rows * widths.hidden),
    dMlp: floats(rows * widths.mlp),
    dAttended: floats(rows * widths.attended),
    dQueryKeyValue: floats(rows * widths.queryKeyValue),
    keyPanels: floats(roundUp(longest, 8) * config.headSize),
    valuePanels: floats(roundUp(longest, 8) * config.headSize),
    scores: floats(queryBlock * roundUp(longest, 8)),
    dScores: floats(queryBlock * roundUp(longest, 8)),
  };
  return { space, end: next - address };
}
