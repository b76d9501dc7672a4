import { LightningError, TraceError } from '@agent-lightning/core';
import { describeValue } from '../writing/attribute-values.ts';
import type { RolloutScope } from './rollout-scope.ts';

/** Tells whether a rollout is a request of live traffic: then the request comes first, and the app's own tracing goes on. */
export function isLive({ onUntraceable }: RolloutScope): boolean {
  return onUntraceable !== undefined;
}

/**
 * Refuses what a rollout cannot trace or redirect: it throws the error in training. In production the request comes first: the
 * capture counts the reason, and the caller goes on without the adapter. A reason is one of a few fixed words, such as
 * `mastra-network`.
 * @throws the error, unless the rollout is live traffic
 */
export function refuseUntraceable({ onUntraceable }: RolloutScope, reason: string, error: LightningError): void {
  if (onUntraceable === undefined) throw error;
  onUntraceable(reason, error);
}

/**
 * Runs `write`, which writes into the trace of a rollout. In production an error of it is counted by its code, and the result is
 * undefined.
 * @throws what `write` throws, unless the rollout is live traffic
 */
export function writeTrace<Result>(scope: RolloutScope, write: () => Result): Result | undefined {
  try {
    return write();
  } catch (thrown) {
    if (!isLive(scope)) throw thrown;
    const error = toTraceError(thrown);
    refuseUntraceable(scope, error.code, error);
    return undefined;
  }
}

function toTraceError(thrown: unknown): LightningError {
  if (LightningError.isInstance(thrown)) return thrown;
  const message = thrown instanceof Error ? thrown.message : describeValue(thrown);
  return new TraceError(`a span could not be written: ${message}`, { code: 'span-invalid', cause: thrown });
}
