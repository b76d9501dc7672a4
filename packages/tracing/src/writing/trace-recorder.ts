import {
  LightningError,
  TraceError,
  type LightningStore,
  type Lease,
  type Attributes,
  type SpanInput,
} from '@agent-lightning/core';
import type { SpanKind, SpanStatus } from '@agent-lightning/store';
import { deriveTraceId, randomSpanId } from './identifiers.ts';
import { validateSpan } from './validate-span.ts';

export interface TraceRecorderOptions {
  readonly store: Pick<LightningStore, 'appendSpans'>;
  readonly lease: Lease;
  /** The trace id, 32 lower-case hex digits. @default derived from the attempt id, so that gateway and adapters agree without talking */
  readonly traceId?: string;
  /** Milliseconds since the epoch. @default Date.now with sub-millisecond precision */
  readonly now?: () => number;
  /** Makes a span id, 16 hex digits. @default random */
  readonly generateSpanId?: () => string;
}

export interface StartSpan {
  readonly kind: SpanKind;
  readonly name: string;
  readonly parentSpanId?: string;
  readonly attributes?: Attributes;
  readonly spanId?: string;
}

/** The outcome of a span. */
export interface SpanOutcome {
  /** @default { code: 'ok' } */
  readonly status?: SpanStatus;
  /** Attributes that are added to those that the span began with. */
  readonly attributes?: Attributes;
  readonly tokens?: SpanInput['tokens'];
}

/** A span that has begun; ends once. */
export interface OpenSpan {
  readonly spanId: string;
  /**
   * Stores the span as one that goes on, so that a process that is killed leaves it behind. `outcome` is what it counts as then, its
   * status `unset` by default; its end replaces it. Announced again, it stays as it was. @throws {TraceError} `span-invalid` for bad attributes, or after its end
   */
  announce(outcome?: Pick<SpanOutcome, 'status' | 'attributes'>): void;
  /** @throws {TraceError} `span-invalid` | `tokens-invalid` for bad attributes or tokens (the span is still open then), or a second end */
  end(outcome?: SpanOutcome): void;
}

const ok: SpanStatus = { code: 'ok' };
const unset: SpanStatus = { code: 'unset' };

/** Turns what happens in one attempt into spans: makes ids, reads the clock, orders and batches, so that no adapter has to. */
export class TraceRecorder {
  readonly traceId: string;
  readonly #options: Required<TraceRecorderOptions>;
  readonly #open = new Map<string, OpenSpan>();
  #pending: SpanInput[] = [];
  #failure: { readonly error: unknown } | undefined;
  #writing: Promise<void> | undefined;
  #closed = false;
  #lateSpans = 0;

  constructor(options: TraceRecorderOptions) {
    this.#options = {
      traceId: deriveTraceId(options.lease.attemptId),
      now: preciseNow,
      generateSpanId: randomSpanId,
      ...options,
    };
    this.traceId = this.#options.traceId;
  }

  /** Tells whether `close` was called. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Spans that came after `close` and were dropped: a branch of the agent that went on after its attempt had ended. */
  get lateSpans(): number {
    return this.#lateSpans;
  }

  start(span: StartSpan): OpenSpan {
    const spanId = span.spanId ?? this.#options.generateSpanId();
    const startTimeMs = this.#options.now();
    const refuseEnded = (what: string): void => {
      if (this.#open.get(spanId) !== open)
        throw new TraceError(`${span.kind} span "${span.name}" was ${what}`, { code: 'span-invalid' });
    };
    const open: OpenSpan = {
      spanId,
      announce: (outcome = {}) => {
        if (this.#closed) return; // what was open then has ended
        refuseEnded('announced after its end');
        this.#append({ ...this.#build(span, spanId, startTimeMs, { status: unset, ...outcome }), isOpen: true });
      },
      end: (outcome = {}) => {
        if (this.#closed) return void this.#lateSpans++;
        refuseEnded('ended twice');
        this.#append(this.#build(span, spanId, startTimeMs, outcome));
        this.#open.delete(spanId);
      },
    };
    validateSpan(this.#build(span, spanId, startTimeMs, {}));
    if (this.#open.has(spanId))
      throw new TraceError(`${span.kind} span "${span.name}" has the id ${spanId} of a span that is still open`, {
        code: 'span-invalid',
      });
    if (!this.#closed) this.#open.set(spanId, open);
    return open;
  }

  /** Writes a span without duration, such as a reward or a message. Returns its id. @throws {TraceError} `span-invalid` | `tokens-invalid` */
  record(span: StartSpan & Pick<SpanOutcome, 'status' | 'tokens'>): string {
    const spanId = span.spanId ?? this.#options.generateSpanId();
    if (this.#closed) this.#lateSpans++;
    else {
      const { status, tokens } = span;
      const outcome = { ...(status && { status }), ...(tokens && { tokens }) };
      this.#append(this.#build(span, spanId, this.#options.now(), outcome));
    }
    return spanId;
  }

  /** Resolves when everything that ended or was announced so far is stored; what failed is tried once more, unless the store refused for good. @throws what the store threw */
  async flush(): Promise<void> {
    await this.#writing;
    if (this.#pending.length > 0 && !this.#isBroken()) await (this.#writing ??= this.#write());
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Ends what is still open as an error, stores everything, and drops (and counts) what comes later. @throws what the store threw */
  async close(): Promise<void> {
    for (const open of this.#open.values()) {
      open.end({ status: { code: 'error', message: 'still open when its attempt ended' } });
    }
    this.#closed = true;
    await this.flush();
  }

  #append(span: SpanInput): void {
    this.#pending.push(validateSpan(span));
    if (!this.#isBroken()) this.#writing ??= nextTurn().then(() => this.#write());
  }

  #build(start: StartSpan, spanId: string, startTimeMs: number, outcome: SpanOutcome): SpanInput {
    return {
      spanId,
      traceId: this.traceId,
      ...(start.parentSpanId !== undefined && { parentSpanId: start.parentSpanId }),
      kind: start.kind,
      name: start.name,
      status: outcome.status ?? ok,
      startTimeMs,
      endTimeMs: Math.max(startTimeMs, this.#options.now()),
      attributes: { ...start.attributes, ...outcome.attributes },
      ...(outcome.tokens !== undefined && { tokens: outcome.tokens }),
    };
  }

  /** Tells whether the store has rejected this writer for good, such as by its fencing token; then it is not asked again. */
  #isBroken(): boolean {
    return (
      this.#failure !== undefined && !(LightningError.isInstance(this.#failure.error) && this.#failure.error.retryable)
    );
  }

  /** Writes until nothing is pending: what ends while a write is in flight goes into the next one, together. */
  async #write(): Promise<void> {
    try {
      while (this.#pending.length > 0) {
        const batch = this.#pending;
        this.#pending = [];
        try {
          await this.#options.store.appendSpans(this.#options.lease, batch);
          this.#failure = undefined;
        } catch (error) {
          this.#pending = batch.concat(this.#pending);
          this.#failure = { error };
          return;
        }
      }
    } finally {
      this.#writing = undefined;
    }
  }
}

/** Lets the spans of one burst end before they are written. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function preciseNow(): number {
  return performance.timeOrigin + performance.now();
}
