import { attributeNames, type AttributeValue } from '@agent-lightning/core';
import type { SpanStatus } from '@agent-lightning/store';
import { capText, describeValue } from './attribute-values.ts';

/** Returns the OpenTelemetry attributes of something that was thrown, an Error or not. */
export function exceptionAttributes(thrown: unknown): Record<string, AttributeValue> {
  const { type, message } = describeThrown(thrown);
  const stack = stackOf(thrown);
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

/** Describes what was thrown, which may be anything, and may throw when it is asked. */
function describeThrown(thrown: unknown): { readonly type: string; readonly message: string } {
  try {
    if (typeof thrown === 'object' && thrown !== null && 'message' in thrown) {
      const { name, message } = thrown as { readonly name?: unknown; readonly message: unknown };
      return { type: typeof name === 'string' && name !== '' ? name : 'Error', message: capText(String(message)) };
    }
    return { type: typeof thrown, message: capText(String(thrown)) };
  } catch {
    return { type: typeof thrown, message: describeValue(thrown) };
  }
}

function stackOf(thrown: unknown): string | undefined {
  try {
    return thrown instanceof Error && typeof thrown.stack === 'string' ? thrown.stack : undefined;
  } catch {
    return undefined; // an error that cannot be read has none
  }
}
