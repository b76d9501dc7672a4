import type { TokenBlob } from './tokens.ts';

/** The kinds of span that training reads. */
export type SpanKind =
  | 'model_call'
  | 'tool_call'
  | 'agent'
  | 'reward'
  | 'message'
  | 'object'
  | 'exception'
  | 'operation';

export type AttributeValue = string | number | boolean | readonly string[] | readonly number[] | readonly boolean[];
/** Attributes are flat, as OpenTelemetry has them; nested values are flattened or stored as a JSON string by the writer. */
export type Attributes = Readonly<Record<string, AttributeValue>>;

export interface SpanStatus {
  readonly code: 'unset' | 'ok' | 'error';
  readonly message?: string;
}

/** A span as a writer hands it to the store: a piece of work within one attempt, finished unless `isOpen` says otherwise. */
export interface SpanInput {
  /** 16 lower-case hex digits, unique within the attempt; writing the same id again changes nothing, unless it ends an open span. */
  readonly spanId: string;
  /** 32 lower-case hex digits. */
  readonly traceId: string;
  readonly parentSpanId?: string;
  readonly kind: SpanKind;
  readonly name: string;
  readonly status: SpanStatus;
  /** Milliseconds since the epoch, fractions allowed. */
  readonly startTimeMs: number;
  /** The end; for an open span, the moment when it was written. */
  readonly endTimeMs: number;
  /**
   * True while the work goes on. Write an open span with the status that it should keep if its writer dies now; a span of the same id
   * that is not open replaces it once. No reward is open, and an open span has no tokens. @default false, and then absent
   */
  readonly isOpen?: boolean;
  readonly attributes: Attributes;
  /** The tokens of a model call, when the engine reported them. */
  readonly tokens?: TokenBlob;
}

/** A span as the store keeps it. */
export interface Span extends SpanInput {
  readonly rolloutId: string;
  readonly attemptId: string;
  /** The store issues it, from 1 and strictly increasing within the rollout: an order that depends on no clock. */
  readonly sequenceId: number;
}
