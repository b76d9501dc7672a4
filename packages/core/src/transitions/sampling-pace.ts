import { attributeNames } from '../vocabulary/attributes.ts';
import type { SamplingPace } from '../failures/failure-kind.ts';
import type { Span } from '../vocabulary/span.ts';
import type { ModelCall } from './model-calls.ts';

/**
 * Measures how long the policy sampled in an attempt, and how fast; of calls that ran at the same time, each moment counts once. It reads
 * the gateway's clock alone. Undefined when the policy answered no call.
 */
export function measurePace(calls: readonly ModelCall[]): SamplingPace | undefined {
  const sampled = calls.flatMap(({ gateway }) =>
    gateway !== undefined && typeof gateway.attributes[attributeNames.policy] === 'string' ? [gateway] : [],
  );
  if (sampled.length === 0) return undefined;
  const counted = sampled.filter((span) => tokensOf(span) > 0);
  const countedMs = coveredMs(counted);
  const tokens = counted.reduce((sum, span) => sum + tokensOf(span), 0);
  return {
    tokensPerSecond: countedMs > 0 ? (tokens / countedMs) * 1_000 : undefined,
    seconds: coveredMs(sampled) / 1_000,
  };
}

function tokensOf({ tokens, attributes }: Span): number {
  const reported = attributes[attributeNames.outputTokens];
  return tokens?.response.length ?? (typeof reported === 'number' ? reported : 0);
}

/** Returns the length of the union of the spans' times. */
function coveredMs(spans: readonly Span[]): number {
  let covered = 0;
  let until = -Infinity;
  for (const { startTimeMs, endTimeMs } of spans.toSorted((a, b) => a.startTimeMs - b.startTimeMs)) {
    covered += Math.max(0, endTimeMs - Math.max(startTimeMs, until));
    until = Math.max(until, endTimeMs);
  }
  return covered;
}
