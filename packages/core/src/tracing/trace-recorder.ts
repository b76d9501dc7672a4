import type { LightningStore } from '../store/lightning-store.ts';
import type { Lease } from '../vocabulary/rollout.ts';
import type { Attributes, SpanInput, SpanKind, SpanStatus } from '../vocabulary/span.ts';

export interface TraceRecorderOptions {
  readonly store: Pick<LightningStore, 'appendSpans'>;
  readonly lease: Lease;
  /** 32 lower-case hex digits. @default derived from the attempt id, so that gateway and adapters agree without talking */
  readonly traceId?: string;
  /** Milliseconds since the epoch. @default Date.now with sub-millisecond precision */
  readonly now?: () => number;
  /** 16 hex digits. @default random */
  readonly generateSpanId?: () => string;
}

export interface StartSpan {
  readonly kind: SpanKind;
  readonly name: string;
  readonly parentSpanId?: string;
  readonly attributes?: Attributes;
  readonly spanId?: string;
}

/** A span that has begun; ends once. */
export interface OpenSpan {
  readonly spanId: string;
  end(outcome?: { readonly status?: SpanStatus; readonly attributes?: Attributes; readonly tokens?: SpanInput['tokens'] }): void;
}

/** Turns what happens in one attempt into spans: makes ids, reads the clock, orders and batches, so that no adapter has to. */
export declare class TraceRecorder {
  constructor(options: TraceRecorderOptions);
  readonly traceId: string;
  start(span: StartSpan): OpenSpan;
  /** A span without duration, such as a reward or a message. Returns its id. */
  record(span: StartSpan & { readonly status?: SpanStatus; readonly tokens?: SpanInput['tokens'] }): string;
  /** Resolves when everything that ended so far is stored. @throws what the store threw */
  flush(): Promise<void>;
}
