import { LightningError, TraceError, type SpanInput } from '@agent-lightning/core';
import { checkSpan } from '@agent-lightning/store';

/**
 * Returns a checked copy of a span, by the rules and limits of every store, before it enters a trace: one bad span must not make the batch fail
 * that it would be written with, and what the caller changes later does not change the trace.
 * @throws {TraceError} `span-invalid` | `tokens-invalid`, naming the field and its value
 */
export function validateSpan(span: SpanInput): SpanInput {
  try {
    return checkSpan('span', span);
  } catch (error) {
    if (!LightningError.isInstance(error)) throw error;
    throw new TraceError(`${span.kind} span "${String(span.name).slice(0, 80)}": ${error.message}`, {
      code: error.message.startsWith('span.tokens') ? 'tokens-invalid' : 'span-invalid',
      cause: error,
    });
  }
}
