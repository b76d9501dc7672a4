/** Runs the model over new tokens of many cached sequences at once, of prompts and of single steps. */
import type { Address } from '../kernels/kernels.ts';
import type { SharedHeap } from '../kernels/shared-heap.ts';
import { embedTokens } from '../model/embedding.ts';
import {
  layerForward,
  normalize,
  rowStrides,
  type LayerActivations,
  type Model,
  type Widths,
} from '../model/layer-forward.ts';
import { linear } from '../model/linear.ts';
import type { LlamaConfig } from '../model/llama-config.ts';
import { roundUp } from '../model/weights.ts';
import type { KeyValueCache } from './key-value-cache.ts';

/** The most tokens that one pass takes. */
export const passTokens = 256;
/** The most sequences whose logits are computed at once. */
const logitRows = 32;

/** Consecutive new tokens of one sequence. */
export interface Span {
  readonly cache: KeyValueCache;
  readonly tokens: ArrayLike<number>;
  /** The range of `tokens` to run, and the position of the first. */
  readonly from: number;
  readonly count: number;
  readonly position: number;
  /** Address of the logits after the last token, (vocabulary rounded up to 8,); undefined where they are not needed. */
  readonly logits: Address | undefined;
}

type BufferName =
  | 'ids'
  | 'positions'
  | 'lastRows'
  | 'hidden'
  | 'norm'
  | 'inverse'
  | 'queryKeyValue'
  | 'attended'
  | 'gateUp'
  | 'mlp'
  | 'last'
  | 'lastNorm'
  | 'logits'
  | 'scores';

/** Returns the size of each buffer of one thread's pass, in floats. */
function bufferFloats(config: LlamaConfig, widths: Widths): Readonly<Record<BufferName, number>> {
  return {
    ids: passTokens,
    positions: passTokens,
    lastRows: passTokens,
    hidden: passTokens * widths.hidden,
    norm: passTokens * widths.hidden,
    inverse: passTokens,
    queryKeyValue: passTokens * widths.queryKeyValue,
    attended: passTokens * widths.attended,
    gateUp: passTokens * widths.gateUp,
    mlp: passTokens * widths.mlp,
    last: passTokens * widths.hidden,
    lastNorm: passTokens * widths.hidden,
    logits: logitRows * widths.logits,
    scores: passTokens * roundUp(config.maxPositions, 8),
  };
}

/** Returns the bytes of the buffers of one thread's pass. */
export function samplingPassBytes(config: LlamaConfig): number {
  return Object.values(bufferFloats(config, rowStrides(config))).reduce(
    (sum, floats) => sum + roundUp(floats * 4, 64),
    0,
  );
}

/** The pass of one thread, with its buffers. */
export class SamplingPass {
  readonly #model: Model;
  readonly #ids: Int32Array;
  readonly #positions: Int32Array;
  readonly #lastRows: Int32Array;
  readonly #act: LayerActivations;
  readonly #last: Address;
  readonly #lastNorm: Address;
  readonly #logits: Address;
  readonly #scores: Address;

  constructor(model: Model, heap: SharedHeap) {
    const { widths, config, memory } = model;
    const floats = bufferFloats(config, widths);
    const take = (name: BufferName): Address => heap.allocate(floats[name] * 4);
    const integers = (name: 'ids' | 'positions' | 'lastRows'): Int32Array =>
      new Int32Array(memory.buffer, take(name), passTokens);
    this.#model = model;
    this.#ids = integers('ids');
    this.#positions = integers('positions');
    this.#lastRows = integers('lastRows');
    // Nothing is kept for a backward pass: one set of buffers serves every layer, in place.
    const [hidden, norm, inverse] = [take('hidden'), take('norm'), take('inverse')];
    this.#act = {
      input: hidden,
      norm1: norm,
      inverse1: inverse,
      queryKeyValue: take('queryKeyValue'),
      attended: take('attended'),
      middle: hidden,
      norm2: norm,
      inverse2: inverse,
      gateUp: take('gateUp'),
      mlp: take('mlp'),
    };
    this.#last = take('last');
    this.#lastNorm = take('lastNorm');
    this.#logits = take('logits');
    this.#scores = take('scores');
  }

  /** Runs the spans, up to `passTokens` tokens in all, with the weights at `forward`. */
  run(forward: Address, spans: readonly Span[]): void {
    const model = this.#model;
    const { layout } = model;
    const act = this.#act;
    const rows = this.#place(spans);
    embedTokens(model, forward, rows, this.#ids.byteOffset, act.input);
    for (const [i, blocks] of layout.layers.entries()) {
      layerForward(
        model,
        forward,
        blocks,
        rows,
        this.#positions.byteOffset,
        { rows },
        act,
        () => this.#attention(spans, i),
        act.input,
      );
    }
    this.#head(forward, spans);
  }

  #place(spans: readonly Span[]): number {
    let row = 0;
    for (const { tokens, from, count, position } of spans) {
      for (let i = 0; i < count; i++, row++) {
        this.#ids[row] = tokens[from + i]!;
        this.#positions[row] = position + i;
      }
    }
    return row;
  }

  #attention(spans: readonly Span[], layer: number): void {
    const { kernels, config, widths } = this.#model;
    const { heads, keyValueHeads, headSize } = config;
    const act = this.#act;
    const keyBytes = keyValueHeads * headSize * 4;
    let row = 0;
    for (const { cache, count, position } of spans) {
      const queries = act.queryKeyValue + row * widths.queryKeyValue * 4;
      const keys = queries + heads * headSize * 4;
      kernels.cacheTokens(
        count,
        position,
        keyValueHeads,
        headSize,
        keys,
        keys + keyBytes,
        widths.queryKeyValue,
        cache.keys(layer),
        cache.values(layer),
        cache.capacity,
      );
      kernels.attendCached(
        count,
        position,
        heads,
        keyValueHeads,
        headSize,
        headSize ** -0.5,
        queries,
        widths.queryKeyValue,
        cache.keys(layer),
        cache.values(layer),
        cache.capacity,
        this.#scores,
        act.attended + row * widths.attended * 4,
        widths.attended,
      );
      row += count;
    }
  }

  #head(forward: Address, spans: readonly Span[]): void {
    const model = this.#model;
    const { kernels, config, layout, widths } = model;
    const read = spans.filter((span) => span.logits !== undefined);
    let row = 0;
    let wanted = 0;
    for (const span of spans) {
      row += span.count;
      if (span.logits !== undefined) this.#lastRows[wanted++] = row - 1;
    }
    if (wanted === 0) return;
    const { hidden, logits: stride } = widths;
    const rows = this.#lastRows.byteOffset;
    kernels.gatherRows(wanted, config.hiddenSize, rows, this.#act.input, hidden, this.#last, hidden);
    normalize(model, forward, layout.finalNorm, wanted, this.#last, this.#lastNorm, this.#act.inverse1);
    for (let first = 0; first < wanted; first += logitRows) {
      const count = Math.min(logitRows, wanted - first);
      const norm = { at: this.#lastNorm + first * hidden * 4, stride: hidden };
      linear(model, forward, layout.head, count, norm, { at: this.#logits, stride });
      for (const [i, span] of read.slice(first, first + count).entries())
        kernels.copyFloats(config.vocabSize, this.#logits + i * stride * 4, span.logits!);
    }
  }
}
