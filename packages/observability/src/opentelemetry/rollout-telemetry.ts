import type { Attributes, Context, Span as OpenTelemetrySpan, Tracer } from '@opentelemetry/api';
import { UserCodeError, type Attempt, type Failure, type Rollout, type Span } from '@agent-lightning/core';
import { joinCalls, type ShownSpan } from './join-calls.ts';
import { hasMeterProvider, loadOpenTelemetry, scopeName, scopeVersion, type OpenTelemetryApi } from './load-api.ts';
import { mapSpan } from './map-span.ts';
import type { ResolvedOpenTelemetryOptions } from './open-telemetry-options.ts';
import { countAttempt } from './rollout-metrics.ts';

/** Tells which attempt is watched, and who hears of it when OpenTelemetry fails. */
export interface WatchedAttempt {
  readonly rollout: Rollout;
  readonly attempt: Attempt;
  /** Called with what a provider of the app threw; the rollout goes on. */
  readonly onError: (error: unknown) => void;
}

/** The end of an attempt. */
export interface AttemptEnd {
  readonly status: string;
  readonly failure?: Failure;
  /** Reads every span of the attempt, without tokens. */
  readonly readSpans: () => Promise<readonly Span[]>;
}

/** An attempt that the app's own provider is told of. Nothing of it throws. */
export interface RolloutTelemetry {
  /** Runs the agent as the child of the rollout's span, so that the app's own spans are below it. */
  run<Result>(work: () => Result): Result;
  /** Ends the rollout's span, and makes those below it. */
  end(end: AttemptEnd): Promise<void>;
}

/**
 * Begins the span of an attempt, below the span of the app that is active now. Resolves to undefined where it is off, or the app has neither
 * `@opentelemetry/api` nor a provider registered: then it costs nothing. An attempt that the app's sampler leaves out is not made
 * the parent of anything, so that the app's own spans are sampled as before.
 */
export async function watchAttempt(
  watched: WatchedAttempt,
  options: ResolvedOpenTelemetryOptions,
): Promise<RolloutTelemetry | undefined> {
  if (options === undefined) return undefined;
  try {
    const api = await loadOpenTelemetry();
    if (api === undefined) return undefined;
    const around = api.context.active();
    const tracer = api.trace.getTracer(scopeName, scopeVersion);
    const attributes = rolloutAttributes(watched);
    const span = tracer.startSpan('rollout', { startTime: toTime(preciseNow()), attributes }, around);
    const isRecording = span.isRecording();
    if (!isRecording && !hasMeterProvider(api)) return undefined;
    if (isRecording && options.content)
      span.setAttribute('agentlightning.rollout.input', JSON.stringify(watched.rollout.input));
    const below = isRecording ? api.trace.setSpan(around, span) : around;
    // A sampler may record what it does not sample: as a parent, that would take the app's own spans with it.
    const isSampled = isRecording && (span.spanContext().traceFlags & api.TraceFlags.SAMPLED) !== 0;
    return new WatchedRollout({ api, tracer, span, below, isRecording, isSampled, content: options.content, watched });
  } catch (error) {
    tellOnce(watched, error);
    return undefined;
  }
}

interface WatchedParts {
  readonly api: OpenTelemetryApi;
  readonly tracer: Tracer;
  /** The rollout's span. */
  readonly span: OpenTelemetrySpan;
  /** The context in which the agent runs. */
  readonly below: Context;
  readonly isRecording: boolean;
  readonly isSampled: boolean;
  readonly content: boolean;
  readonly watched: WatchedAttempt;
}

class WatchedRollout implements RolloutTelemetry {
  readonly #parts: WatchedParts;
  readonly #startedAtMs: number = performance.now();

  constructor(parts: WatchedParts) {
    this.#parts = parts;
  }

  run<Result>(work: () => Result): Result {
    const { api, below, isSampled } = this.#parts;
    return isSampled ? api.context.with(below, work) : work();
  }

  async end({ status, failure, readSpans }: AttemptEnd): Promise<void> {
    const { api, span, watched, content, isRecording } = this.#parts;
    const seconds = (performance.now() - this.#startedAtMs) / 1_000;
    const endTimeMs = preciseNow();
    try {
      const shown = await this.#readShown(readSpans);
      if (isRecording) this.#makeSpans(shown);
      const spans = shown.map((each) => each.span);
      countAttempt(api, { mode: watched.rollout.mode, status, failure, seconds, spans });
      span.setAttributes({ 'agentlightning.rollout.status': status });
      if (failure !== undefined) {
        span.setAttribute('error.type', failure.code);
        const code = api.SpanStatusCode.ERROR;
        span.setStatus(content ? { code, message: failure.message } : { code });
      }
    } catch (error) {
      tellOnce(watched, error);
    }
    this.#finish(endTimeMs);
  }

  #finish(endTimeMs: number): void {
    try {
      this.#parts.span.end(toTime(endTimeMs));
    } catch (error) {
      tellOnce(this.#parts.watched, error);
    }
  }

  /** Reads the spans once: what a store that is away does not give is left out of the app's traces, and the run goes on. */
  async #readShown(readSpans: AttemptEnd['readSpans']): Promise<readonly ShownSpan[]> {
    try {
      return joinCalls(await readSpans());
    } catch (error) {
      this.#parts.watched.onError(error);
      return [];
    }
  }

  /** Makes each span below its parent: spans are stored as they end, so a parent may come after its children. */
  #makeSpans(shown: readonly ShownSpan[]): void {
    const byId = new Map(shown.map((each) => [each.span.spanId, each]));
    const made = new Map<string, Context>();
    for (const each of shown) {
      for (const next of unmadeAncestors(each, byId, made)) {
        made.set(next.span.spanId, this.#makeSpan(next.span, made.get(next.parentId ?? '') ?? this.#parts.below));
      }
    }
  }

  #makeSpan(span: Span, parent: Context): Context {
    const { api, tracer, content } = this.#parts;
    const { name, isClient, attributes, error } = mapSpan(span, content);
    const kind = isClient ? api.SpanKind.CLIENT : api.SpanKind.INTERNAL;
    const start = { kind, startTime: toTime(span.startTimeMs), attributes: attributes as Attributes };
    const made = tracer.startSpan(name, start, parent);
    if (error !== undefined) {
      const code = api.SpanStatusCode.ERROR;
      made.setStatus(error.message === undefined ? { code } : { code, message: error.message });
    }
    made.end(toTime(span.endTimeMs));
    return api.trace.setSpan(parent, made);
  }
}

/** What was told of providers that throw. */
const told = new Set<string>();

/** The most problems that are told: a provider may throw something new each time. */
const mostTold = 20;

/** Tells of a provider that throws, once in this process for each message. */
function tellOnce({ onError }: WatchedAttempt, error: unknown): void {
  const problem = error instanceof Error ? error.message : String(error);
  if (told.has(problem) || told.size >= mostTold) return;
  told.add(problem);
  onError(
    new UserCodeError(`the app's OpenTelemetry provider failed, and rollouts go on without it: ${problem}`, {
      code: 'hook-failed',
      cause: error,
    }),
  );
}

/** Returns the ancestors of a span that are not made yet, the outermost first, and the span; a circle of parents is cut. */
function unmadeAncestors(
  from: ShownSpan,
  byId: ReadonlyMap<string, ShownSpan>,
  made: ReadonlyMap<string, Context>,
): readonly ShownSpan[] {
  const chain = new Set<ShownSpan>();
  for (let at: ShownSpan | undefined = from; at !== undefined; at = byId.get(at.parentId ?? '')) {
    if (made.has(at.span.spanId) || chain.has(at)) break;
    chain.add(at);
  }
  return [...chain].toReversed();
}

function rolloutAttributes({ rollout, attempt }: WatchedAttempt): Attributes {
  return {
    'agentlightning.rollout.id': rollout.rolloutId,
    'agentlightning.rollout.mode': rollout.mode,
    'agentlightning.attempt.id': attempt.attemptId,
    'agentlightning.attempt.number': attempt.attemptNumber,
    ...(rollout.runId !== undefined && { 'agentlightning.run.id': rollout.runId }),
    ...(rollout.groupId !== undefined && { 'agentlightning.group.id': rollout.groupId }),
  };
}

/** Returns milliseconds since the epoch on the clock of this process's spans. */
function preciseNow(): number {
  return performance.timeOrigin + performance.now();
}

/** Returns a time as seconds and nanoseconds: a plain number below the process's start would count from that start. */
function toTime(epochMs: number): [number, number] {
  const seconds = Math.floor(epochMs / 1_000);
  return [seconds, Math.round((epochMs - seconds * 1_000) * 1e6)];
}
