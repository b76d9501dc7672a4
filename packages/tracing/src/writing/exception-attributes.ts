import { attributeNames, type AttributeValue } from '@agent-lightning/core';
import type { SpanStatus } from '@agent-lightning/store';
import { capText } from './attribute-values.ts';

/** Returns the OpenTelemetry attributes of something that was thrown, an Error or not. */
export function exceptionAttributes(thrown: unknown): Record<string, AttributeValue> {
  const { type, message } = describeThrown(thrown);
  const stack = thrown instanceof Error ? thrown.stack : undefined;
  return {
    [attributeNames.exceptionType]: type,
    [attributeNames.exceptionMessage]: message,
    ...(stack !== undefined && stack !== '' && { [attributeNames.exceptionStacktrace]: capText(stack) }),
  };
}

/** Returns the outcome of a span that failed with `thrown`. */
export function errorOutcome(thrown: unknown): {
  readonly status: SpanStatus;
  readonly attributes: Record<string, AttributeValue>;
} {
  const { type, message } = describeThrown(thrown);
  return { status: { code: 'error', message }, attributes: { [attributeNames.errorType]: type } };
}

function describeThrown(thrown: unknown): { readonly type: string; readonly message: string } {
  if (typeof thrown === 'object' && thrown !== null && 'message' in thrown) {
    const { name, message } = thrown as { readonly name?: unknown; readonly message: unknown };
    return { type: typeof name === 'string' && name !== '' ? name : 'Error', message: capText(String(message)) };
  }
  return { type: typeof thrown, message: capText(String(thrown)) };
}
