/** Runs the model over new tokens of many cached sequences at once, of prompts and of single steps. */
import type { Address } from '../kernels/kernels.ts';
import type { SharedHeap } from '../kernels/shared-heap.ts';
import { layerForward, linear, type LayerActivations, type Model } from '../model/layer-forward.ts';
import { roundUp } from '../model/parameter-layout.ts';
import type { KeyValueCache } from './key-value-cache.ts';

/** The most tokens that one pass takes. */
export const passTokens = 256;

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
    const floats = (count: number): Address => heap.allocate(count * 4);
    const hidden = floats(passTokens * widths.hidden);
    const inverse = floats(passTokens);
    this.#model = model;
    this.#ids = new Int32Array(memory.buffer, floats(passTokens), passTokens);
    this.#positions = new Int32Array(memory.buffer, floats(passTokens), passTokens);
    this.#lastRows = new Int32Array(memory.buffer, floats(passTokens), passTokens);
    // Nothing is kept for a backward pass: one set of buffers serves every layer, in place.
    const norm = floats(passTokens * widths.hidden);
    this.#act = {
      input: hidden,
      norm1: norm,
      inverse1: inverse,
      queryKeyValue: floats(passTokens * widths.queryKeyValue),
      attended: floats(passTokens * widths.attended),
      middle: hidden,
      norm2: norm,
      inverse2: inverse,
      gateUp: floats(passTokens * widths.gateUp),
      mlp: floats(passTokens * widths.mlp),
    };
    this.#last = floats(passTokens * widths.hidden);
    this.#lastNorm = floats(passTokens * widths.hidden);
    this.#logits = floats(passTokens * widths.logits);
    this.#scores = floats(passTokens * roundUp(config.maxPositions, 8));
  }

  /** Runs the spans, up to `passTokens` tokens in all, with the weights at `forward`. */
  run(forward: Address, spans: readonly Span[]): void {
    const model = this.#model;
    const { kernels, config, layout, widths } = model;
    const act = this.#act;
    const rows = this.#place(spans);
    kernels.gatherRows(
      rows,
      config.hiddenSize,
      this.#ids.byteOffset,
      forward + layout.embedding.forward * 4,
      layout.embedding.columns,
      act.input,
      widths.hidden,
    );
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
    const { kernels, config, layout, widths } = this.#model;
    const read = spans.filter((span) => span.logits !== undefined);
    let row = 0;
    let wanted = 0;
    for (const span of spans) {
      row += span.count;
      if (span.logits !== undefined) this.#lastRows[wanted++] = row - 1;
    }
    if (wanted === 0) return;
    kernels.gatherRows(
      wanted,
      config.hiddenSize,
      this.#lastRows.byteOffset,
      this.#act.input,
      widths.hidden,
      this.#last,
      widths.hidden,
    );
    kernels.rmsNorm(
      wanted,
      config.hiddenSize,
      config.rmsNormEpsilon,
      this.#last,
      widths.hidden,
      forward + layout.finalNorm.forward * 4,
      this.#lastNorm,
      widths.hidden,
      this.#act.inverse1,
    );
    linear(this.#model, forward, layout.head, wanted, this.#lastNorm, widths.hidden, this.#logits, widths.logits);
    for (const [i, span] of read.entries())
      kernels.copyFloats(config.vocabSize, this.#logits + i * widths.logits * 4, span.logits!);
  }
}
