import { StoreError, type JsonValue, type Failure, type SpanInput } from '@agent-lightning/core';
import { endsOpenSpan } from '@agent-lightning/store';
import type { CaptureLedger } from './capture-ledger.ts';
import { spanBytes, type CapturedRollout } from './captured-rollout.ts';

type Metadata = CapturedRollout['metadata'];

/** Holds what a live run has left so far, within what may wait in memory. A run that does not fit is dropped whole: half a trace misleads. */
export class SpanBuffer {
  readonly rolloutId: string;
  readonly #ledger: CaptureLedger;
  readonly #json: string;
  /** The spans by span id, in order of writing. */
  readonly #spans: Map<string, SpanInput> = new Map();
  #bytes = 0;
  #isDropped = false;

  /** Makes an empty buffer. `json` holds `input` and `metadata`. */
  constructor(rolloutId: string, json: string, ledger: CaptureLedger) {
    this.rolloutId = rolloutId;
    this.#json = json;
    this.#ledger = ledger;
    this.#take(2 * json.length);
  }

  /** Answers as a store does, and keeps what a store would keep; sequence ids come with the writing. */
  add(spans: readonly SpanInput[]): readonly number[] {
    for (const span of spans) {
      const known = this.#spans.get(span.spanId);
      if (known !== undefined && !endsOpenSpan(span, known)) continue;
      const bytes = spanBytes(span) - (known === undefined ? 0 : spanBytes(known));
      if (this.#take(bytes)) this.#spans.set(span.spanId, span);
    }
    return spans.map(() => 0);
  }

  /** Returns the run as it is to be written, or undefined when it was dropped. */
  close(origin: Metadata, failure: Failure | undefined): CapturedRollout | undefined {
    if (this.#isDropped) {
      const message = `rollout ${this.rolloutId} is not captured: too much waits to be written; see maxBufferedBytes`;
      this.#ledger.drop('buffer-full', this.rolloutId, new StoreError(message, { code: 'store-full' }));
      return undefined;
    }
    const { input, metadata } = JSON.parse(this.#json) as { readonly input: JsonValue; readonly metadata: Metadata };
    return {
      rolloutId: this.rolloutId,
      input,
      metadata: { ...metadata, ...origin },
      spans: [...this.#spans.values()],
      bytes: this.#bytes,
      ...(failure !== undefined && { failure }),
    };
  }

  #take(bytes: number): boolean {
    if (this.#isDropped) return false;
    if (this.#ledger.takeBytes(bytes)) {
      this.#bytes += bytes;
      return true;
    }
    this.#isDropped = true;
    this.#ledger.returnBytes(this.#bytes);
    this.#spans.clear();
    return false;
  }
}
