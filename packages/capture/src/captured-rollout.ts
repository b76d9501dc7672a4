import type { JsonValue, Failure, SpanInput } from '@agent-lightning/core';

/** A run of live traffic that ended, as it waits to be written. */
export interface CapturedRollout {
  readonly rolloutId: string;
  readonly input: JsonValue;
  readonly metadata: { readonly [key: string]: JsonValue };
  readonly spans: readonly SpanInput[];
  /** The failure; absent when the agent succeeded. */
  readonly failure?: Failure;
  /** The memory that it takes, about. */
  readonly bytes: number;
}

/** The bytes that an object takes besides its texts, about. */
const overheadBytes = 512;

/** Estimates how many bytes a span takes in memory. */
export function spanBytes({ name, attributes, status, tokens }: SpanInput): number {
  let characters = name.length + (status.message?.length ?? 0);
  for (const [key, value] of Object.entries(attributes)) {
    characters += key.length + 8;
    if (typeof value === 'string') characters += value.length;
    else if (Array.isArray(value)) for (const item of value) characters += typeof item === 'string' ? item.length : 8;
  }
  const tokenBytes =
    tokens === undefined ? 0 : tokens.prompt.byteLength + tokens.response.byteLength + tokens.logprobs.byteLength;
  return overheadBytes + 2 * characters + tokenBytes;
}
