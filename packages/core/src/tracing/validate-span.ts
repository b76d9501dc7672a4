import { TraceError, type LightningErrorCode } from '../errors.ts';
import type { Attributes, SpanInput } from '../vocabulary/span.ts';
import type { TokenBlob } from '../vocabulary/tokens.ts';
import { isSpanId, isTraceId } from './identifiers.ts';

/** Above 0 by more than rounding, a log-probability cannot be one. */
const logprobTolerance = 1e-3;

/** Checks a span before it enters a trace. @throws {TraceError} `span-invalid` | `tokens-invalid`, naming the field and its value */
export function validateSpan(span: SpanInput): void {
  if (!isSpanId(span.spanId))
    throw invalid(span, `has the id ${show(span.spanId)}; a span id is 16 lower-case hex digits, not all 0`);
  if (!isTraceId(span.traceId))
    throw invalid(span, `has the trace id ${show(span.traceId)}; a trace id is 32 lower-case hex digits, not all 0`);
  if (span.parentSpanId !== undefined && !isSpanId(span.parentSpanId))
    throw invalid(span, `has the parent ${show(span.parentSpanId)}; a span id is 16 lower-case hex digits`);
  if (typeof span.name !== 'string' || span.name === '') throw invalid(span, 'has no name');
  if (!Number.isFinite(span.startTimeMs) || !Number.isFinite(span.endTimeMs))
    throw invalid(span, `has the times ${span.startTimeMs} to ${span.endTimeMs}; both must be finite`);
  if (span.endTimeMs < span.startTimeMs)
    throw invalid(span, `ends ${span.startTimeMs - span.endTimeMs} ms before it starts`);
  validateAttributes(span, span.attributes);
  if (span.tokens !== undefined) validateTokens(span, span.tokens);
}

function validateAttributes(span: SpanInput, attributes: Attributes): void {
  for (const name in attributes) {
    const value: unknown = attributes[name];
    if (!isAttributeValue(value)) {
      throw invalid(
        span,
        `has the attribute "${name}" = ${show(value)}; give a string, a finite number, a boolean, or an array of one of them`,
      );
    }
  }
}

function isAttributeValue(value: unknown): boolean {
  if (!Array.isArray(value)) return isScalar(value);
  const type = typeof value[0];
  return value.every((item) => typeof item === type && isScalar(item));
}

function isScalar(value: unknown): boolean {
  return (
    typeof value === 'string' || typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))
  );
}

function validateTokens(span: SpanInput, { prompt, response, logprobs }: TokenBlob): void {
  if (span.kind !== 'model_call') throw invalid(span, 'has tokens; only model calls may', 'tokens-invalid');
  if (!(prompt instanceof Int32Array) || !(response instanceof Int32Array) || !(logprobs instanceof Float32Array)) {
    throw invalid(
      span,
      'has tokens of the wrong types; give Int32Array ids and Float32Array logprobs',
      'tokens-invalid',
    );
  }
  if (response.length !== logprobs.length) {
    throw invalid(
      span,
      `has ${response.length} response tokens but ${logprobs.length} logprobs; they must be aligned`,
      'tokens-invalid',
    );
  }
  for (const [name, ids] of [
    ['prompt', prompt],
    ['response', response],
  ] as const) {
    const bad = indexOfNegative(ids);
    if (bad >= 0) throw invalid(span, `has ${name} token ${bad} = ${ids[bad]}; ids are not negative`, 'tokens-invalid');
  }
  const bad = indexOfBadLogprob(logprobs);
  if (bad >= 0)
    throw invalid(span, `has logprob ${bad} = ${logprobs[bad]}; logprobs are finite and at most 0`, 'tokens-invalid');
}

// Plain loops: these see every token of a run, and a callback for each costs more than the check.
function indexOfNegative(ids: Int32Array): number {
  for (let index = 0; index < ids.length; index += 1) if ((ids[index] as number) < 0) return index;
  return -1;
}

function indexOfBadLogprob(logprobs: Float32Array): number {
  for (let index = 0; index < logprobs.length; index += 1) {
    const logprob = logprobs[index] as number;
    // False for NaN as well.
    if (!(logprob <= logprobTolerance && logprob > Number.NEGATIVE_INFINITY)) return index;
  }
  return -1;
}

function show(value: unknown): string {
  if (typeof value === 'number' || value === undefined) return String(value);
  return (JSON.stringify(value) ?? typeof value).slice(0, 200);
}

function invalid(span: SpanInput, problem: string, code: LightningErrorCode = 'span-invalid'): TraceError {
  return new TraceError(`${span.kind} span "${span.name}" ${problem}`, { code });
}
